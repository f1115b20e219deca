//! What holds for every template and every URI: tests against an expander, which nothing but them needs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::select};

use super::{
    Relation, TemplateError, UriTemplate, Variables,
    language::Language,
    operator::Operator,
    parse::{Expression, Part},
    percent,
};

/// Expands a template, as RFC 6570, sections 3.1 and 3.2 have it.
fn expand(template: &UriTemplate, values: &BTreeMap<String, String>) -> String {
    let parts = template.parts.iter().map(|part| match part {
        Part::Literal(literal) => {
            literal.chars().map(|c| if c.is_ascii() { c.to_string() } else { percent::encode(c) }).collect()
        }
        Part::Expression(expression) => expand_expression(expression, values),
    });
    parts.collect()
}

fn expand_expression(expression: &Expression, values: &BTreeMap<String, String>) -> String {
    let operator = expression.operator;
    let defined = expression.names.iter().filter_map(|name| Some((name, values.get(name)?)));
    let mut text = String::new();
    for (index, (name, value)) in defined.enumerate() {
        text.extend(if index == 0 { operator.prefix() } else { Some(operator.separator()) });
        if operator.is_named() {
            text.push_str(name);
            // Only a parameter without a value has no equals sign.
            text.push_str(if value.is_empty() && operator == Operator::Parameter { "" } else { "=" });
        }
        for c in value.chars() {
            let is_unreserved = c.is_ascii_alphanumeric() || "-._~".contains(c);
            let is_kept = matches!(operator, Operator::Reserved | Operator::Fragment)
                && ":/?#[]@!$&'()*+,;=".contains(c);
            if is_unreserved || is_kept {
                text.push(c);
            } else {
                text.push_str(&percent::encode(c));
            }
        }
    }
    text
}

/// An expression of some of these variables.
fn expression(names: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    let operator = select(vec!["", "+", "#", ".", "/", ";", "?", "&"]);
    (operator, prop::sample::subsequence(names.to_vec(), 1..=names.len()))
        .prop_map(|(operator, names)| format!("{{{operator}{}}}", names.join(",")))
}

/// Templates of few letters, so that they meet often.
fn template() -> impl Strategy<Value = UriTemplate> {
    let expression = expression(&["a", "b", "ab"]);
    let literal = select(vec!["a", "b", "/", "-", ".", "?a=", "&b=", ";a", ",", "#", "%20", "%C3%A9", "é"])
        .prop_map(str::to_owned);
    let part = prop_oneof![2 => expression, 3 => literal];
    prop::collection::vec(part, 1..5)
        .prop_filter_map("no template", |parts| UriTemplate::parse(&format!("a:{}", parts.concat())).ok())
}

/// Texts of what stands in such templates and their expansions.
fn uri() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a", "b", "ab", "/", "-", ".", "?", "&", ";", ",", "#", "=", "?a=", "&b=", ";a", "%20", "%C3%A9",
        "%2F", "é", "%", "x",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("a:{}", pieces.concat()))
}

/// Values, none of which holds what looks like an escape, since `+` would let that pass.
fn values() -> impl Strategy<Value = BTreeMap<String, String>> {
    let value = "[abx /?#,;&=.é-]{0,4}%?";
    prop::collection::btree_map(select(vec!["a", "b", "ab"]).prop_map(str::to_owned), value, 0..4)
}

/// Whether a match of an expansion has to be found: expressions that take no room where they must are not seen.
fn is_seen(template: &UriTemplate, values: &BTreeMap<String, String>) -> bool {
    template.parts.iter().all(|part| match part {
        Part::Literal(_) => true,
        Part::Expression(e) => e.operator.prefix().is_some() || !expand_expression(e, values).is_empty(),
    })
}

fn accepts(parts: &[Part], text: &str) -> bool {
    let language = Language::new(parts);
    let states = text.chars().fold(vec![Language::start()], |states, c| {
        let mut next: Vec<_> = states.into_iter().flat_map(|state| language.step(state, c)).collect();
        next.sort_unstable();
        next.dedup();
        next
    });
    states.into_iter().any(|state| language.accepts(state))
}

/// In how many ways two expressions could divide a text between them.
fn divisions(first: &str, second: &str, text: &str) -> usize {
    let parts = |expression: &str| UriTemplate::parse(&format!("a:{expression}")).unwrap().parts.split_off(1);
    let (first, second) = (parts(first), parts(second));
    let ends = (0..=text.len()).filter(|end| text.is_char_boundary(*end));
    let is_end = |end: &usize| accepts(&first, &text[..*end]) && accepts(&second, &text[*end..]);
    ends.filter(is_end).count()
}

fn by_name(values: Variables) -> BTreeMap<String, String> {
    values.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_that_hold_no_delimiter_are_given_back(
        template in select(vec![
            "a:{a}/{b}", "a:{a,b}", "a:{+a}-{b}", "a:{#a,b}", "a:x{.a}/y{.b}", "a:{/a,b}", "a:{;a,b}", "a:{?a,b}", "a:?x{&a,b}",
            "a:{a}{?b}", "a:{a}{#b}",
        ]),
        a in "[a-z é]{1,5}",
        b in "[a-z é]{1,5}",
    ) {
        let template = UriTemplate::parse(template).unwrap();
        let values = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        prop_assert_eq!(template.match_uri(&expand(&template, &values)).map(by_name), Some(values));
    }

    #[test]
    fn expanding_what_a_match_gives_gives_the_uri(template in template(), values in values()) {
        let uri = expand(&template, &values);
        match template.match_uri(&uri) {
            Some(found) => prop_assert_eq!(expand(&template, &by_name(found)), uri, "{}", template),
            None => prop_assert!(!is_seen(&template, &values), "{} {}", template, uri),
        }
    }

    #[test]
    fn the_automaton_reads_what_matches(template in template(), uri in uri()) {
        let is_match = template.match_uri(&uri).is_some();
        prop_assert_eq!(is_match, accepts(&template.parts, &uri) && percent::is_sound(&uri), "{} {}", template, uri);
    }

    #[test]
    fn expressions_side_by_side_divide_a_text_in_one_way_or_are_refused(
        first in expression(&["a", "b"]),
        second in expression(&["ab", "c"]),
        uri in uri(),
    ) {
        match UriTemplate::parse(&format!("a:{first}{second}")) {
            Ok(_) => prop_assert!(divisions(&first, &second, &uri[2..]) < 2, "{first}{second} {uri}"),
            Err(TemplateError::Adjacent { text, .. }) => prop_assert!(divisions(&first, &second, &text) > 1, "{text}"),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn what_is_said_of_two_templates_holds_for_every_uri(
        first in template(),
        second in template(),
        uris in prop::collection::vec(uri(), 20),
        values in prop::collection::vec(values(), 5),
    ) {
        let expanded = values.iter().flat_map(|values| [expand(&first, values), expand(&second, values)]);
        let relation = first.relation_to(&second);
        for uri in expanded.chain(uris) {
            let (first_matches, second_matches) = (first.match_uri(&uri).is_some(), second.match_uri(&uri).is_some());
            let holds = match &relation {
                Relation::Disjoint => !first_matches || !second_matches,
                Relation::Narrower => !first_matches || second_matches,
                Relation::Wider => first_matches || !second_matches,
                Relation::Equal(_) => first_matches == second_matches,
                Relation::Overlapping(_) | Relation::Intricate => true,
            };
            prop_assert!(holds, "{} {} {:?} {}", first, second, relation, uri);
        }
        if let Relation::Equal(uri) | Relation::Overlapping(uri) = &relation {
            prop_assert!(first.match_uri(uri).is_some() && second.match_uri(uri).is_some(), "{first} {second} {uri}");
        }
    }

    #[test]
    fn no_text_makes_parsing_or_matching_panic(template in "(a:)?[a{}+#./;?&,=*:%é]{0,16}", text in ".*", uri in uri()) {
        let _ = UriTemplate::parse(&text);
        if let Ok(template) = UriTemplate::parse(&template) {
            let _ = (template.match_uri(&text), template.match_uri(&format!("a:{text}")), template.match_uri(&uri));
        }
    }
}
