//! What was counted beside what is allowed: the table, and what is wrong.

use super::{Case, Cost};
use crate::Problem;

/// How far instructions may be from the committed figure, in per cent, up or down. Compilers and C libraries move them
/// a little; a change of ours that shows here is worth a look.
const TOLERANCE: f64 = 3.0;

/// The cases that differ in nothing but the number of tools begin with this.
const ANY_CATALOG: &str = "echo_of_";

/// How far their instructions may be apart, in per cent.
const CATALOG_TOLERANCE: f64 = 1.0;

/// A case of this ending is the one of the name before it, in a session of the handshake era.
const SESSION: &str = "_session";

/// How much more instructions it may take, in per cent.
const SESSION_TOLERANCE: f64 = 10.0;

/// A case of this ending has all that guards a call, and another one of the name before it and of the other ending has
/// nothing of it and is the same otherwise.
const GUARDED: &str = "_guarded";
const OPEN: &str = "_open";

/// How much more instructions it may take, in per cent.
const GUARDED_TOLERANCE: f64 = 10.0;

/// Every case with what it costs, what it may cost, and the difference.
pub(super) fn table(cases: &[Case], costs: &[Cost], allowed: &[Cost]) -> String {
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    let mut text =
        format!("{:width$}  allocations  allowed  instructions      allowed  difference\n", "a call of");
    for ((case, cost), allowed) in cases.iter().zip(costs).zip(allowed) {
        text += &format!(
            "{:width$}  {:>11}  {:>7}  {:>12}  {:>11}  {:>+8.2} %\n",
            case.name,
            cost.allocations,
            allowed.allocations,
            cost.instructions,
            allowed.instructions,
            per_cent(cost.instructions, allowed.instructions),
        );
    }
    text
}

/// A sentence for each figure that is not what is allowed.
///
/// One that is better is wrong, too: unless it is taken as the new measure, the next change may lose it again unseen.
pub(super) fn beyond(cases: &[Case], costs: &[Cost], allowed: &[Cost]) -> Vec<Problem> {
    let mut wrong = Vec::new();
    for ((Case { name, .. }, cost), allowed) in cases.iter().zip(costs).zip(allowed) {
        if cost.allocations != allowed.allocations {
            let (is, may) = (cost.allocations, allowed.allocations);
            let advice = if is > may {
                format!("`cargo xtask budget --sites {name}` shows where they are")
            } else {
                BETTER.to_owned()
            };
            wrong.push(format!("{name}: {is} allocations a call, {may} allowed; {advice}"));
        }
        let difference = per_cent(cost.instructions, allowed.instructions);
        if difference.abs() > TOLERANCE {
            let (is, may) = (cost.instructions, allowed.instructions);
            let advice = if is > may { WORSE } else { BETTER };
            wrong.push(format!(
                "{name}: {is} instructions a call, {may} allowed ({difference:+.2} %); {advice}"
            ));
        }
    }
    wrong
}

const BETTER: &str = "that is better: `cargo xtask budget --bless` makes it the new measure";
const WORSE: &str = "if that is what it has to cost, `cargo xtask budget --bless` and say why in the commit";

/// A call must cost the same, however many tools there are.
pub(super) fn same_for_any_catalog(cases: &[Case], costs: &[Cost]) -> Result<(), Problem> {
    let alike: Vec<(&str, Cost)> = cases
        .iter()
        .zip(costs)
        .filter(|(case, _)| case.name.starts_with(ANY_CATALOG))
        .map(|(case, cost)| (case.name.as_str(), *cost))
        .collect();
    let least = alike.iter().min_by_key(|(_, cost)| cost.instructions);
    let most = alike.iter().max_by_key(|(_, cost)| cost.instructions);
    let (Some((cheap, least)), Some((dear, most))) = (least, most) else {
        return Err(format!(
            "there are no cases `{ANY_CATALOG}*` left, which show that the number of tools costs nothing"
        ));
    };
    let apart = per_cent(most.instructions, least.instructions);
    if apart > CATALOG_TOLERANCE || alike.iter().any(|(_, cost)| cost.allocations != least.allocations) {
        return Err(format!(
            "the number of tools shows in what a call costs: {dear} {most:?}, {cheap} {least:?}"
        ));
    }
    Ok(())
}

/// A session must not cost much more than doing without.
pub(super) fn sessions_cost_little(cases: &[Case], costs: &[Cost]) -> Result<(), Problem> {
    adds_little(cases, costs, ("a session", SESSION, ""), SESSION_TOLERANCE)
}

/// Policy, key and limits together must not cost much more than a server that is open to everybody.
pub(super) fn guards_cost_little(cases: &[Case], costs: &[Cost]) -> Result<(), Problem> {
    adds_little(cases, costs, ("being guarded", GUARDED, OPEN), GUARDED_TOLERANCE)
}

/// Holds every case of one ending against that of the other ending.
fn adds_little(
    cases: &[Case],
    costs: &[Cost],
    (what, with, without): (&str, &str, &str),
    tolerance: f64,
) -> Result<(), Problem> {
    let cost_of = |name: &str| {
        cases.iter().zip(costs).find(|(case, _)| case.name == name).map(|(_, cost)| cost.instructions)
    };
    let pairs: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let plain = format!("{}{without}", case.name.strip_suffix(with)?);
            Some((case.name.as_str(), cost_of(&case.name)?, cost_of(&plain)?))
        })
        .collect();
    if pairs.is_empty() {
        return Err(format!(
            "there is no case `*{with}` left beside its `*{without}`, which shows what {what} costs"
        ));
    }
    for (name, cost, plain) in pairs {
        let more = per_cent(cost, plain);
        if more > tolerance {
            return Err(format!("{name}: {what} costs {more:+.2} % instructions, {tolerance} allowed"));
        }
    }
    Ok(())
}

fn per_cent(is: u64, was: u64) -> f64 {
    (is as f64 / was as f64 - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str) -> Case {
        Case { name: name.into(), about: String::new() }
    }

    fn cost(allocations: u64, instructions: u64) -> Cost {
        Cost { allocations, instructions }
    }

    #[test]
    fn more_and_less_are_told_past_the_tolerance() {
        let told = |is, may| beyond(&[case("echo")], &[is], &[may]).join("\n");
        let allowed = cost(12, 10_000);
        assert_eq!(told(cost(12, 10_290), allowed), "");
        assert_eq!(told(cost(12, 9_710), allowed), "");
        assert!(told(cost(13, 10_000), allowed).contains("--sites echo"));
        assert!(told(cost(11, 10_000), allowed).contains("better"));
        assert!(told(cost(12, 10_310), allowed).contains("+3.10 %"));
        assert!(told(cost(12, 9_600), allowed).contains("better"));
    }

    #[test]
    fn a_session_that_costs_is_told() {
        let cases = ["echo_http", "echo_http_session"].map(case);
        let told = |session| sessions_cost_little(&cases, &[cost(20, 10_000), cost(25, session)]);
        assert_eq!(told(9_000), Ok(()));
        assert_eq!(told(10_990), Ok(()));
        assert!(told(11_010).is_err());
        assert!(sessions_cost_little(&cases[..1], &[cost(20, 10_000)]).is_err());
    }

    #[test]
    fn a_guard_that_costs_is_told() {
        let cases = ["echo_http", "echo_http_open", "echo_http_guarded"].map(case);
        let told =
            |guarded| guards_cost_little(&cases, &[cost(20, 90_000), cost(20, 10_000), cost(20, guarded)]);
        assert_eq!(told(10_990), Ok(()));
        assert!(told(11_010).is_err_and(|why| why.contains("being guarded costs +10.10 %")));
        assert!(guards_cost_little(&cases[..2], &[cost(20, 10_000); 2]).is_err());
        assert!(guards_cost_little(&cases[2..], &[cost(20, 10_000)]).is_err());
    }

    #[test]
    fn a_catalog_that_costs_is_told() {
        let cases = ["echo", "echo_of_1", "echo_of_1000"].map(case);
        let told = |costs: [Cost; 3]| same_for_any_catalog(&cases, &costs);
        assert_eq!(told([cost(9, 1), cost(12, 10_000), cost(12, 10_090)]), Ok(()));
        assert!(told([cost(9, 1), cost(12, 10_000), cost(12, 10_110)]).is_err());
        assert!(told([cost(9, 1), cost(12, 10_000), cost(13, 10_000)]).is_err());
        assert!(same_for_any_catalog(&cases[..1], &[cost(9, 1)]).is_err());
    }
}
