//! Finding the values of a URI: from the back, where each part may begin; from the front, where each ends.
//!
//! Both passes look at every position of the URI once for every part, whatever stands there, so that no URI takes
//! longer than its length times the size of the template.

use super::{
    Variables,
    parse::{Expression, Part},
    percent,
};

/// The values of the variables if the parts can make up `uri`.
pub(super) fn match_uri(parts: &[Part], uri: &str) -> Option<Variables> {
    let uri = Uri(uri);
    // Most URIs are those of other templates, which is seen at once.
    if let Some(Part::Literal(head)) = parts.first() {
        uri.behind(head, 0)?;
    }
    percent::is_sound(uri.0).then_some(())?;
    let rests = rests(parts, uri);
    if !rests[0].contains(0) {
        return None;
    }
    let mut values = Variables::new();
    let mut at = 0;
    for (part, rest) in parts.iter().zip(&rests[1..]) {
        let end = end(part, uri, at, rest)?;
        if let Part::Expression(expression) = part {
            read_values(expression, &uri.0[at..end], &mut values)?;
        }
        at = end;
    }
    Some(values)
}

/// For each part, and for what is behind the last one, the positions where it may begin so that it and the parts
/// after it make up the rest.
fn rests(parts: &[Part], uri: Uri<'_>) -> Vec<Positions> {
    let mut last = Positions::new(uri);
    last.insert(uri.0.len());
    let mut rests = vec![last];
    for part in parts.iter().rev() {
        let behind = &rests[rests.len() - 1];
        let mut begins = Positions::new(uri);
        match part {
            Part::Expression(expression) if !expression.operator.is_named() => {
                insert_list(expression, uri, behind, &mut begins);
            }
            // A literal is short, and a named expression ends soon: it has each of its names once at most.
            _ => uri
                .positions()
                .rev()
                .filter(|at| end(part, uri, *at, behind).is_some())
                .for_each(|at| begins.insert(at)),
        }
        rests.push(begins);
    }
    rests.reverse();
    rests
}

/// Adds the positions where an expression without names may begin.
fn insert_list(expression: &Expression, uri: Uri<'_>, rest: &Positions, begins: &mut Positions) {
    let operator = expression.operator;
    // Whether the value of this index may go on at the position behind the one that is looked at.
    let mut goes_on = vec![false; expression.names.len()];
    for at in uri.positions().rev() {
        let (is_end, here) = (rest.contains(at), uri.unit(at));
        let may_go_on = |goes_on: &[bool], index: usize| {
            here.is_some_and(|here| {
                let next = index + usize::from(operator.is_separated_by(here));
                (next > index || operator.takes(here)) && goes_on.get(next) == Some(&true)
            })
        };
        let may_begin = match operator.prefix() {
            Some(prefix) => is_end || here == Some(prefix) && goes_on[0],
            None => may_go_on(&goes_on, 0),
        };
        if may_begin {
            begins.insert(at);
        }
        for index in 0..goes_on.len() {
            goes_on[index] = is_end || may_go_on(&goes_on, index);
        }
    }
}

/// Where a part that begins here ends first, so that the parts after it make up the rest.
fn end(part: &Part, uri: Uri<'_>, at: usize, rest: &Positions) -> Option<usize> {
    match part {
        Part::Literal(literal) => uri.behind(literal, at).filter(|end| rest.contains(*end)),
        Part::Expression(expression) if expression.operator.prefix().is_some() && rest.contains(at) => {
            Some(at)
        }
        Part::Expression(expression) if expression.operator.is_named() => {
            named_end(expression, uri, at, rest)
        }
        Part::Expression(expression) => list_end(expression, uri, at, rest),
    }
}

/// Where an expression without names ends first, if it is not absent.
fn list_end(expression: &Expression, uri: Uri<'_>, mut at: usize, rest: &Positions) -> Option<usize> {
    let operator = expression.operator;
    let mut separators = 0;
    let mut is_begun = false;
    if let Some(prefix) = operator.prefix() {
        at = uri.behind_char(prefix, at)?;
        is_begun = true;
    }
    while !is_begun || !rest.contains(at) {
        let here = uri.unit(at)?;
        if operator.is_separated_by(here) {
            separators += 1;
        }
        if separators == expression.names.len() || !(operator.takes(here) || operator.is_separated_by(here)) {
            return None;
        }
        at = uri.next(at);
        is_begun = true;
    }
    Some(at)
}

/// Where an expression with names ends first, if it is not absent.
fn named_end(expression: &Expression, uri: Uri<'_>, at: usize, rest: &Positions) -> Option<usize> {
    let operator = expression.operator;
    let mut at = uri.behind_char(operator.prefix()?, at)?;
    let mut unused: Vec<&str> = expression.names.iter().map(String::as_str).collect();
    loop {
        // The last name may stand without a value, and what follows the expression right behind it.
        let ends = unused.iter().filter_map(|name| uri.behind(name, at)).filter(|end| rest.contains(*end));
        if let Some(end) = ends.min() {
            return Some(end);
        }
        let is_name = |name: &&str| {
            uri.behind(name, at)
                .is_some_and(|end| matches!(uri.unit(end), Some(c) if c == '=' || c == operator.separator()))
        };
        let name = unused.remove(unused.iter().position(is_name)?);
        at += name.len();
        if let Some(value) = uri.behind_char('=', at) {
            at = value;
            while !rest.contains(at) {
                if !operator.takes(uri.unit(at)?) {
                    break;
                }
                at = uri.next(at);
            }
            if rest.contains(at) {
                return Some(at);
            }
        }
        at = uri.behind_char(operator.separator(), at)?;
    }
}

/// Reads the values of an expression from the text that it takes.
fn read_values(expression: &Expression, text: &str, values: &mut Variables) -> Option<()> {
    let operator = expression.operator;
    if text.is_empty() {
        return Some(());
    }
    let text = operator.prefix().map_or(Some(text), |prefix| text.strip_prefix(prefix))?;
    if !operator.is_named() {
        // The first variables take what there is, and the last one whatever separators are left.
        for (name, value) in
            expression.names.iter().zip(text.splitn(expression.names.len(), operator.separator()))
        {
            values.push((name.clone(), percent::decode(value)?));
        }
        return Some(());
    }
    for pair in text.split(operator.separator()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        values.push((name.to_owned(), percent::decode(value)?));
    }
    Some(())
}

/// A URI whose escapes are whole, as units: characters and escapes.
#[derive(Clone, Copy)]
struct Uri<'a>(&'a str);

impl Uri<'_> {
    /// Where a unit begins, and the end.
    fn positions(self) -> impl DoubleEndedIterator<Item = usize> {
        let is_escape = move |at: Option<usize>| at.is_some_and(|at| self.0.as_bytes()[at] == b'%');
        (0..=self.0.len()).filter(move |at| {
            self.0.is_char_boundary(*at) && !is_escape(at.checked_sub(1)) && !is_escape(at.checked_sub(2))
        })
    }

    /// The unit that begins here, where `%` stands for a whole escape.
    fn unit(self, at: usize) -> Option<char> {
        self.0[at..].chars().next()
    }

    /// Where the unit that begins here ends.
    fn next(self, at: usize) -> usize {
        at + self.unit(at).map_or(0, |c| if c == '%' { 3 } else { c.len_utf8() })
    }

    fn behind_char(self, c: char, at: usize) -> Option<usize> {
        (self.unit(at) == Some(c)).then(|| at + c.len_utf8())
    }

    /// Where the literal that begins here ends; what is not ASCII in it may be percent-encoded (section 3.1).
    fn behind(self, literal: &str, at: usize) -> Option<usize> {
        let rest = &self.0[at..];
        if rest.starts_with(literal) {
            return Some(at + literal.len());
        }
        if literal.is_ascii() {
            return None;
        }
        literal.chars().try_fold(at, |at, c| {
            let escapes = || percent::encode(c);
            let is_encoded = |escapes: &String| {
                let text = self.0.as_bytes().get(at..at + escapes.len());
                text.is_some_and(|text| text.eq_ignore_ascii_case(escapes.as_bytes()))
            };
            let encoded =
                || (!c.is_ascii()).then(escapes).filter(is_encoded).map(|escapes| at + escapes.len());
            self.behind_char(c, at).or_else(encoded)
        })
    }
}

/// A set of positions in a URI, a bit each.
struct Positions(Vec<u64>);

impl Positions {
    fn new(uri: Uri<'_>) -> Self {
        Self(vec![0; uri.0.len() / 64 + 1])
    }

    fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn contains(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::super::UriTemplate;

    /// The values as `name=value`, in the order of their names.
    fn matched(template: &str, uri: &str) -> Option<Vec<String>> {
        let values = UriTemplate::parse(template).unwrap().match_uri(uri)?;
        let mut values: Vec<_> = values.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        values.sort();
        Some(values)
    }

    fn check(cases: &[(&str, &str, &[&str])]) {
        for (template, uri, expected) in cases {
            let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            expected.sort();
            assert_eq!(
                matched(&format!("a:{template}"), &format!("a:{uri}")),
                Some(expected),
                "{template} {uri}"
            );
        }
    }

    fn refuse(cases: &[(&str, &str)]) {
        for (template, uri) in cases {
            assert_eq!(matched(&format!("a:{template}"), &format!("a:{uri}")), None, "{template} {uri}");
        }
    }

    const HELLO: &str = "hello=Hello World!";

    /// The examples of RFC 6570, sections 1.2 and 3.2.2 to 3.2.9, that are of levels 1 to 3, turned round; the last
    /// ones of each section are those in which the match says something else than the RFC's values, or nothing.
    #[test]
    fn the_examples_of_the_rfc_give_their_values_back() {
        check(&[
            // 3.2.2: simple.
            ("{var}", "value", &["var=value"]),
            ("{hello}", "Hello%20World%21", &[HELLO]),
            ("{half}", "50%25", &["half=50%"]),
            ("map?{x,y}", "map?1024,768", &["x=1024", "y=768"]),
            ("{x,hello,y}", "1024,Hello%20World%21,768", &["x=1024", HELLO, "y=768"]),
            ("?{x,empty}", "?1024,", &["x=1024", "empty="]),
            ("?{x,undef}", "?1024", &["x=1024"]),
            ("{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex", &["base=http://example.com/home/"]),
            ("?{undef,y}", "?768", &["undef=768"]),
            // 3.2.3: reserved.
            ("{+var}", "value", &["var=value"]),
            ("{+hello}", "Hello%20World!", &[HELLO]),
            ("{+half}", "50%25", &["half=50%"]),
            ("{+base}index", "http://example.com/home/index", &["base=http://example.com/home/"]),
            ("{+path}/here", "/foo/bar/here", &["path=/foo/bar"]),
            ("here?ref={+path}", "here?ref=/foo/bar", &["path=/foo/bar"]),
            ("{+x,hello,y}", "1024,Hello%20World!,768", &["x=1024", HELLO, "y=768"]),
            ("{+path,x}/here", "/foo/bar,1024/here", &["path=/foo/bar", "x=1024"]),
            // 3.2.4: fragment.
            ("{#var}", "#value", &["var=value"]),
            ("{#hello}", "#Hello%20World!", &[HELLO]),
            ("{#half}", "#50%25", &["half=50%"]),
            ("foo{#empty}", "foo#", &["empty="]),
            ("foo{#undef}", "foo", &[]),
            ("{#x,hello,y}", "#1024,Hello%20World!,768", &["x=1024", HELLO, "y=768"]),
            ("{#path,x}/here", "#/foo/bar,1024/here", &["path=/foo/bar", "x=1024"]),
            // 3.2.5: labels.
            ("{.who}", ".fred", &["who=fred"]),
            ("{.half,who}", ".50%25.fred", &["half=50%", "who=fred"]),
            ("X{.var}", "X.value", &["var=value"]),
            ("X{.x,y}", "X.1024.768", &["x=1024", "y=768"]),
            ("X{.empty}", "X.", &["empty="]),
            ("X{.undef}", "X", &[]),
            // 3.2.6: path segments.
            ("{/who}", "/fred", &["who=fred"]),
            ("{/half,who}", "/50%25/fred", &["half=50%", "who=fred"]),
            ("{/who,dub}", "/fred/me%2Ftoo", &["who=fred", "dub=me/too"]),
            ("{/var}", "/value", &["var=value"]),
            ("{/var,empty}", "/value/", &["var=value", "empty="]),
            ("{/var,undef}", "/value", &["var=value"]),
            ("{/var,x}/here", "/value/1024/here", &["var=value", "x=1024"]),
            // 3.2.7: parameters.
            ("{;who}", ";who=fred", &["who=fred"]),
            ("{;half}", ";half=50%25", &["half=50%"]),
            ("{;empty}", ";empty", &["empty="]),
            ("{;v,empty,who}", ";v=6;empty;who=fred", &["v=6", "empty=", "who=fred"]),
            ("{;v,bar,who}", ";v=6;who=fred", &["v=6", "who=fred"]),
            ("{;x,y}", ";x=1024;y=768", &["x=1024", "y=768"]),
            ("{;x,y,empty}", ";x=1024;y=768;empty", &["x=1024", "y=768", "empty="]),
            ("{;x,y,undef}", ";x=1024;y=768", &["x=1024", "y=768"]),
            // 3.2.8: queries.
            ("{?who}", "?who=fred", &["who=fred"]),
            ("{?half}", "?half=50%25", &["half=50%"]),
            ("{?x,y}", "?x=1024&y=768", &["x=1024", "y=768"]),
            ("{?x,y,empty}", "?x=1024&y=768&empty=", &["x=1024", "y=768", "empty="]),
            ("{?x,y,undef}", "?x=1024&y=768", &["x=1024", "y=768"]),
            // 3.2.9: continued queries.
            ("{&who}", "&who=fred", &["who=fred"]),
            ("{&half}", "&half=50%25", &["half=50%"]),
            ("?fixed=yes{&x}", "?fixed=yes&x=1024", &["x=1024"]),
            ("{&x,y,empty}", "&x=1024&y=768&empty=", &["x=1024", "y=768", "empty="]),
            ("{&x,y,undef}", "&x=1024&y=768", &["x=1024", "y=768"]),
        ]);
        // A value that takes no room is not seen.
        refuse(&[("O{empty}X", "OX"), ("O{undef}X", "OX"), ("O{+empty}X", "OX"), ("O{+undef}X", "OX")]);
    }

    #[test]
    fn clients_need_not_encode_what_delimits_nothing() {
        check(&[
            ("{x}", "a b:é@(it's)$[1]+=*!|", &["x=a b:é@(it's)$[1]+=*!|"]),
            ("{x}", "%2F%3f%23%2c%3B%26%25", &["x=/?#,;&%"]),
            ("{x}", "%C3%A9%20x", &["x=é x"]),
            ("é{x}ö", "éüö", &["x=ü"]),
            ("é{x}ö", "%C3%A9%c3%bc%C3%b6", &["x=ü"]),
            ("{?x,y}", "?x=a/b,c;d=e&y=1:2", &["x=a/b,c;d=e", "y=1:2"]),
            ("{+x}", "a/b?c=d&e;f,g#h", &["x=a/b?c=d&e;f,g#h"]),
        ]);
        refuse(&[
            ("{x}", "b/c"),
            ("{x}", "b?c"),
            ("{x}", "b#c"),
            ("{x}", "b,c"),
            ("{x}", "b;c"),
            ("{x}", "b&c"),
            ("{x}", "%zz"),
            ("{x}", "%ff"),
            ("{x}", "%"),
            ("{x}", "b%2"),
            ("{x}", "%é"),
            ("{+x}", "%C3"),
            ("{?x}", "?x=1#f"),
            ("{?x}", "?x=1?"),
            ("é{x}", "%C3%A8x"),
            ("é{x}", "%C3x"),
        ]);
    }

    #[test]
    fn what_is_absent_has_no_value() {
        check(&[
            ("b{?x,y}{#z}", "b", &[]),
            ("b{?x,y}{#z}", "b?y=1", &["y=1"]),
            ("b{?x,y}{#z}", "b#1", &["z=1"]),
            ("b{?x}{&y}", "b&y=1", &["y=1"]),
            ("b{/x,y,z}", "b/1/2", &["x=1", "y=2"]),
            ("b{/x,y}", "b//2", &["x=", "y=2"]),
            ("b{.x,y}", "b.1", &["x=1"]),
            ("b{;x}/c", "b/c", &[]),
            ("{x,y}", "1", &["x=1"]),
            ("{x,y}", ",1", &["x=", "y=1"]),
            ("{x,y}", ",", &["x=", "y="]),
            ("{+x,y}", ",", &["x=", "y="]),
        ]);
        refuse(&[
            ("{x}", ""),
            ("{x,y}", ""),
            ("{+x}", ""),
            ("b{?x}", "b?"),
            ("b{;x}", "b;"),
            ("b{x,y}", "b1,2,3"),
            ("b{/x,y}", "b/1/2/3"),
        ]);
    }

    #[test]
    fn named_variables_come_in_any_order_and_once() {
        check(&[
            ("{?x,y,z}", "?z=3&x=1&y=2", &["x=1", "y=2", "z=3"]),
            ("{?x,y}", "?y&x=", &["x=", "y="]),
            ("{;x,y}", ";y=2;x=", &["x=", "y=2"]),
            ("{?x,xy}", "?xy=1&x=2", &["x=2", "xy=1"]),
            ("{?x,xy}", "?xy", &["xy="]),
            ("{?x}y", "?xy", &["x="]),
            ("{?x}&x=2", "?x=1&x=2", &["x=1"]),
            ("{?x,y}&x=2", "?y=1&x=2", &["y=1"]),
            ("{?x}", "?x=a=b", &["x=a=b"]),
        ]);
        refuse(&[
            ("{?x,y}", "?x=1&x=2"),
            ("{?x,y}", "?x=1&x"),
            ("{?x,y}", "?x=1&z=2"),
            ("{?x,y}", "?xy=1"),
            ("{?x,y}", "?x=1&"),
            ("{?x,y}", "?&x=1"),
            ("{?x,y}", "?X=1"),
            ("{?x}{&y}", "?y=2&x=1"),
            ("{;x}", ";x=1;x=1"),
            ("{?x}", "?%78=1"),
        ]);
    }

    #[test]
    fn each_expression_takes_as_little_as_it_can() {
        check(&[
            ("{x}-{y}", "1-2-3", &["x=1", "y=2-3"]),
            ("{x}-{y}", "--2", &["x=-", "y=2"]),
            ("{x}/m/{y}.md", "1/m/2.3.md", &["x=1", "y=2.3"]),
            ("{x}.md", "a.md.md", &["x=a.md"]),
            ("{x}4{y}", "%41%344x", &["x=A4", "y=x"]),
            ("{+x}/{y}", "1/2/3", &["x=1/2", "y=3"]),
            ("{+x}/{+y}", "1/2/3", &["x=1", "y=2/3"]),
            ("{+x,y}", "1,2,3", &["x=1", "y=2,3"]),
            ("{.x,y}", ".1.2.3", &["x=1", "y=2.3"]),
            ("b{.x}.c{+y}", "b.c.cd", &["y=.cd"]),
            ("b{.x}.c{+y}", "b.d.cd", &["x=d", "y=d"]),
            ("{+x}1{;y}", "01;y=2;y=31", &["x=01;y=2;y=3"]),
            ("fixed", "fixed", &[]),
        ]);
        refuse(&[("fixed", "fixed2"), ("{x}.md", ".md"), ("b/{id}", "c/7"), ("b/{id}", "")]);
    }

    #[test]
    fn long_uris_take_no_longer_than_they_are_long() {
        let length = 100_000;
        for (template, piece, end) in [
            ("a:{+u}x{+v}x{+w}x{+y}x{+z}y", "x", ""),
            ("a:{+u}aaaaaaaaab{+v}aaaaaaaaab{+w}", "a", ""),
            ("a:{u}-{v}-{w}-{y}-{z}/", "-", ""),
            ("a:{u,v,w,y,z}/", ",", ""),
            ("a:{/u,v,w,y,z}/", "/", ""),
            ("a:{+p}0{;u,v,w,y,z}1{+q}2", ";u=1;v;w=1;y;z=10", ""),
            ("a:{+p}0{?u,v,w}1{+q}2", "?u=?v=0?w=", ""),
            ("a:{+u}0{?v}&v={w}", "0?v=", "&v=1"),
            ("a:{+u}1{+v}", "%31", ""),
            ("a:é{+u}é{+v}!", "%C3%A9", ""),
        ] {
            let uri = format!("a:{}{end}", piece.repeat(length / piece.len()));
            // A match that went back would take longer than the world stands.
            let _ = UriTemplate::parse(template).unwrap().match_uri(&uri);
        }
    }
}
