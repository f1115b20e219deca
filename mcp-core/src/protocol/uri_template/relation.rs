//! How the sets of URIs that two templates match lie to each other.

use super::{
    language::{Language, State, alphabet},
    parse::Part,
    search::{TooMany, search},
};

/// What two templates have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// No URI matches both.
    Disjoint,
    /// All URIs of the first match the second as well, but not the other way round.
    Narrower,
    /// All URIs of the second match the first as well, but not the other way round.
    Wider,
    /// They match the same URIs, such as this one.
    Equal(String),
    /// A URI such as this one matches both, and others match the first or the second alone.
    Overlapping(String),
    /// It would take too long to tell.
    Intricate,
}

pub(super) fn relation(first: &[Part], second: &[Part]) -> Relation {
    relate(Language::new(first), Language::new(second)).unwrap_or(Relation::Intricate)
}

fn relate(first: Language<'_>, second: Language<'_>) -> Result<Relation, TooMany> {
    let alphabet = alphabet(&(&first.alphabet() | &second.alphabet()));
    let Some(shared) = shared(first, second, &alphabet)? else { return Ok(Relation::Disjoint) };
    Ok(match (is_within(first, second, &alphabet)?, is_within(second, first, &alphabet)?) {
        (true, true) => Relation::Equal(shared),
        (true, false) => Relation::Narrower,
        (false, true) => Relation::Wider,
        (false, false) => Relation::Overlapping(shared),
    })
}

/// The shortest URI that both match.
fn shared(first: Language<'_>, second: Language<'_>, alphabet: &[char]) -> Result<Option<String>, TooMany> {
    let step = |(one, other): &(State, State), c| {
        let others = second.step(*other, c);
        first
            .step(*one, c)
            .into_iter()
            .flat_map(|one| others.iter().map(move |other| (one, *other)))
            .collect()
    };
    let accept = |(one, other): &(State, State)| first.accepts(*one) && second.accepts(*other);
    let found = search((Language::start(), Language::start()), alphabet, step, accept)?;
    Ok(found.map(|(_, text)| text))
}

/// Whether all URIs of the first match the second as well.
fn is_within(first: Language<'_>, second: Language<'_>, alphabet: &[char]) -> Result<bool, TooMany> {
    // All states that the second may be in are followed together, since it is enough that one of them ends well.
    let step = |(one, others): &(State, Vec<State>), c| {
        let ones = first.step(*one, c);
        if ones.is_empty() {
            return Vec::new();
        }
        let mut next: Vec<_> = others.iter().flat_map(|other| second.step(*other, c)).collect();
        next.sort_unstable();
        next.dedup();
        ones.into_iter().map(|one| (one, next.clone())).collect()
    };
    let escapes = |(one, others): &(State, Vec<State>)| {
        first.accepts(*one) && !others.iter().any(|other| second.accepts(*other))
    };
    let start = (Language::start(), vec![Language::start()]);
    Ok(search(start, alphabet, step, escapes)?.is_none())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::{super::UriTemplate, *};

    fn relation(first: &str, second: &str) -> Relation {
        UriTemplate::parse(first).unwrap().relation_to(&UriTemplate::parse(second).unwrap())
    }

    /// The relation as it looks from the second.
    fn turned(relation: Relation) -> Relation {
        match relation {
            Relation::Narrower => Relation::Wider,
            Relation::Wider => Relation::Narrower,
            other => other,
        }
    }

    #[test]
    fn templates_are_told_apart_by_the_uris_that_they_match() {
        use Relation::{Disjoint, Narrower, Wider};
        let equal = |uri: &str| Relation::Equal(uri.to_owned());
        let overlapping = |uri: &str| Relation::Overlapping(uri.to_owned());
        for (first, second, expected) in [
            ("a:{x}", "b:{x}", Disjoint),
            ("a:{x}", "a:{x}/b", Disjoint),
            ("a:n/{x}", "a:m/{x}", Disjoint),
            ("a:{x}", "a:{x}?q={y}", Disjoint),
            ("a:{x}", "a:{+x}", Narrower),
            ("a:{x}", "a:b-{y}", Wider),
            ("a:{x}", "a:b", Wider),
            ("a:{x}", "a:{x,y}", Narrower),
            ("a:{x}", "a:{x}{?y}", Narrower),
            ("a:{x}/{y}", "a:{+x}", Narrower),
            ("a:{x}{/y}", "a:{x}/{y}", Wider),
            ("a:list{?page}", "a:{id}{?page}", Narrower),
            ("a:b{?x,y,z}", "a:b{?y}", Wider),
            ("a:b{?x,y}", "a:b?y={y}&x={x}", Wider),
            ("a:b?x={u}&x={v}", "a:b{?x}", Disjoint),
            ("a:b?x={u}&x={v}", "a:b{?x,y}", Disjoint),
            ("a:{x}%20{y}", "a:{x}", Narrower),
            ("a:é{x}", "a:%C3%A9{x}", Wider),
            ("a:é", "a:%c3%a9", Wider),
            ("a:{x}", "a:{y}", equal("a:x")),
            ("a:{x}-{y}", "a:{y}-{x}", equal("a:x-x")),
            ("a:b{?x,y}", "a:b{?y,x}", equal("a:b")),
            ("a:{+x,y}", "a:{+z}", equal("a:x")),
            ("a:{.x,y}", "a:{.x}", equal("a:")),
            ("a:b-{x}", "a:{x}-c", overlapping("a:b-c")),
            ("a:{x}/b", "a:c/{x}", overlapping("a:c/b")),
            ("a:b{?x}", "a:b{?y}", overlapping("a:b")),
            ("a:{x}{/y}", "a:{x}{?z}", overlapping("a:x")),
            ("a:{+x}/m/{y}", "a:{x}/{+y}", overlapping("a:x/m/x")),
        ] {
            assert_eq!(relation(first, second), expected, "{first} {second}");
            assert_eq!(turned(relation(second, first)), expected, "{second} {first}");
        }
    }

    #[test]
    fn what_would_take_too_long_is_given_up() {
        let related = |first: &str, second: &str, count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("name_{number}")).collect();
            let query = format!("{{?{}}}", names.join(","));
            relation(&format!("{first}{query}"), &format!("{second}{query}"))
        };
        assert_eq!(related("a:{x}", "a:b", 8), Relation::Wider);
        assert_eq!(related("a:{x}", "a:b", 24), Relation::Intricate);
        // Where the paths part before the names, they do not matter.
        assert_eq!(related("a:c", "a:b", 24), Relation::Disjoint);
    }
}
