//! Whether expressions side by side could divide a text between them in two ways.
//!
//! Two readers go through the same text, each choosing for every character the expression that it belongs to. Where
//! both come to the end and once chose differently, no match could tell which of the two was meant.

use super::{
    language::{Language, State, alphabet},
    parse::{Part, TemplateError},
    search::{TooMany, search},
};

/// Refuses expressions that a text could be divided between in two ways.
pub(super) fn check(parts: &[Part]) -> Result<(), TemplateError> {
    parts
        .split(|part| matches!(part, Part::Literal(_)))
        .filter(|side_by_side| side_by_side.len() > 1)
        .try_for_each(check_side_by_side)
}

fn check_side_by_side(parts: &[Part]) -> Result<(), TemplateError> {
    type Readers = (State, State, Option<(usize, usize)>);

    // A name belongs to one expression alone: whether it comes twice changes nothing about where it belongs.
    let language = Language::with_repeats(parts);
    let step = |(first, second, difference): &Readers, c| {
        let seconds = language.step(*second, c);
        let pairs = language
            .step(*first, c)
            .into_iter()
            .flat_map(|first| seconds.iter().map(move |second| (first, *second)));
        pairs
            .map(|(first, second)| {
                let here = (first.part != second.part).then_some((first.part, second.part));
                (first, second, difference.or(here))
            })
            .collect()
    };
    let is_ambiguous = |(first, second, difference): &Readers| {
        difference.is_some() && language.accepts(*first) && language.accepts(*second)
    };
    let start = (Language::start(), Language::start(), None);
    match search(start, &alphabet(&language.alphabet()), step, is_ambiguous) {
        Ok(Some(((_, _, Some((first, second))), text))) => {
            let write = |index: usize| match &parts[index] {
                Part::Expression(expression) => expression.to_string(),
                Part::Literal(literal) => literal.clone(),
            };
            Err(TemplateError::Adjacent {
                first: write(first.min(second)),
                second: write(first.max(second)),
                text,
            })
        }
        Ok(_) => Ok(()),
        Err(TooMany) => Err(TemplateError::Intricate),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::super::UriTemplate;

    #[test]
    fn expressions_are_refused_where_a_text_could_be_divided_in_two_ways() {
        for (template, first, second, text) in [
            ("a:{x}{y}", "{x}", "{y}", "xxx"),
            ("a:{x}{y}/{z}", "{x}", "{y}", "xxx"),
            ("a:{x,y}{z}", "{x,y}", "{z}", "xxx"),
            ("a:{x}{.y}", "{x}", "{.y}", "x."),
            ("a:{.x}{.y}", "{.x}", "{.y}", "."),
            ("a:{/x}{/y}", "{/x}", "{/y}", "/"),
            ("a:{+x}{/y}", "{+x}", "{/y}", "x/"),
            ("a:{+x}{?y}", "{+x}", "{?y}", "x?y"),
            ("a:{+x}{#y}", "{+x}", "{#y}", "x#"),
            ("a:{#x}{y}", "{#x}", "{y}", "#xx"),
            ("a:{?x}{y}", "{?x}", "{y}", "?x=y"),
            ("a:{?x}{/y}", "{?x}", "{/y}", "?x=/"),
            // What stands between may be absent.
            ("a:{x}{?y}{.z}", "{x}", "{.z}", "x."),
            // RFC 6570, section 3.2.3.
            ("a:up{+path}{var}/here", "{+path}", "{var}", "xxx"),
        ] {
            let error = UriTemplate::parse(template).unwrap_err().to_string();
            let expected = format!(
                "nothing tells `{first}` from `{second}` behind it: `{text}` could be divided in two ways"
            );
            assert_eq!(error, expected, "{template}");
        }
    }

    #[test]
    fn expressions_that_are_told_apart_by_what_they_begin_with_may_stand_side_by_side() {
        for template in [
            "a:{x}{/y}",
            "a:{x}{;y}",
            "a:{x}{?y}",
            "a:{x}{&y}",
            "a:{x}{#y}",
            "a:{x,y}{/z}",
            "a:{/x}{;y}{?z}{&w}{#v}",
            "a:{.x}{/y}",
            "a:{;x}{;y}",
            "a:{?x}{&y}",
            "a:{;x,y}{?z}",
            "a:{+x}/{y}",
            "a:{+x}?{y}",
            "a:{x}-{y}",
            "a:{+x,y}",
            "a:{.x,y}",
            "a:{?x}{?y}",
        ] {
            assert!(UriTemplate::parse(template).is_ok(), "{template}");
        }
        // Names that may come in any order do not multiply.
        let names: Vec<_> = (0..30).map(|number| format!("name_{number}")).collect();
        UriTemplate::parse(&format!("a:b{{/id}}{{?{}}}{{#f}}", names.join(","))).unwrap();
    }
}
