//! The versions that visitors saw over time, as a drawing in SVG.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use super::visitors::{Counted, Visit};

/// What one bar stands for.
const BUCKET: Duration = Duration::from_millis(250);

const LEFT: f64 = 90.0;
const WIDTH: f64 = 900.0;
const ROW: f64 = 90.0;
const BARS: f64 = 64.0;
const TOP: f64 = 120.0;

/// Colours that are told apart by those who see few, too (after Okabe and Ito).
const COLOURS: [&str; 6] = ["#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#0072b2", "#f0e442"];
const FAILED: &str = "#d55e00";

/// Draws a row for each instance: how many requests each version answered, in each quarter of a second.
pub(super) fn draw(counted: &Counted) -> String {
    let visits = || counted.instances.iter().flat_map(|(_, visits)| visits);
    let end = visits().map(|visit| visit.at).max().unwrap_or_default() + BUCKET;
    let versions: Vec<&str> =
        visits().filter_map(|visit| visit.saw.as_deref().ok()).collect::<BTreeSet<_>>().into_iter().collect();
    let x = |at: Duration| LEFT + WIDTH * at.as_secs_f64() / end.as_secs_f64();
    let height = TOP + ROW * counted.instances.len() as f64 + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">Requests by the version that answered, per {} ms</text>\n",
        LEFT + WIDTH + 20.0,
        BUCKET.as_millis()
    );
    legend(&mut svg, &versions);
    let most = counted
        .instances
        .iter()
        .flat_map(|(_, visits)| buckets(visits, end))
        .map(|bucket| bucket.len())
        .max();
    let scale = BARS / most.unwrap_or(1).max(1) as f64;
    for (row, (instance, visits)) in counted.instances.iter().enumerate() {
        let base = TOP + ROW * row as f64 + BARS;
        put(&mut svg, format_args!("<text x=\"10\" y=\"{}\">{}</text>", base - 4.0, escaped(instance)));
        for (number, bucket) in buckets(visits, end).iter().enumerate() {
            let from = x(BUCKET * u32::try_from(number).unwrap_or(u32::MAX));
            let wide = (x(BUCKET) - LEFT - 0.5).max(0.5);
            let mut y = base;
            let parts = versions.iter().enumerate().map(|(colour, version)| {
                let count = bucket.iter().filter(|visit| visit.saw.as_deref() == Ok(version)).count();
                (COLOURS[colour % COLOURS.len()], count)
            });
            let failed = bucket.iter().filter(|visit| visit.saw.is_err()).count();
            for (colour, count) in parts.chain([(FAILED, failed)]).filter(|(_, count)| *count > 0) {
                let tall = count as f64 * scale;
                y -= tall;
                put(
                    &mut svg,
                    format_args!(
                        "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"{colour}\"/>"
                    ),
                );
            }
        }
        put(
            &mut svg,
            format_args!(
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{base}\" y2=\"{base}\" stroke=\"black\"/>",
                LEFT + WIDTH
            ),
        );
    }
    let bottom = height - 30.0;
    for (number, (at, what)) in counted.marks.iter().enumerate() {
        let at = x(*at);
        // On two heights, so that marks that are close do not cover each other.
        let y = TOP - 32.0 + 16.0 * (number % 2) as f64;
        put(
            &mut svg,
            format_args!(
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{y}\" y2=\"{bottom}\" stroke=\"gray\" stroke-dasharray=\"3\"/>\
                 <text x=\"{:.1}\" y=\"{y}\">{}</text>",
                at + 3.0,
                escaped(what)
            ),
        );
    }
    for second in (0..=end.as_secs()).step_by(5) {
        let at = x(Duration::from_secs(second));
        put(&mut svg, format_args!("<text x=\"{at:.1}\" y=\"{}\">{second} s</text>", bottom + 18.0));
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, versions: &[&str]) {
    let names =
        versions.iter().enumerate().map(|(number, version)| (COLOURS[number % COLOURS.len()], *version));
    for (number, (colour, name)) in names.chain([(FAILED, "failed")]).enumerate() {
        let x = LEFT + 110.0 * number as f64;
        put(
            svg,
            format_args!(
                "<rect x=\"{x}\" y=\"40\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" y=\"51\">{}</text>",
                x + 18.0,
                escaped(name)
            ),
        );
    }
}

/// The visits of each span of time.
fn buckets(visits: &[Visit], end: Duration) -> Vec<Vec<&Visit>> {
    let count = end.as_millis().div_ceil(BUCKET.as_millis());
    let mut buckets = vec![Vec::new(); usize::try_from(count).unwrap_or(0)];
    for visit in visits {
        let number = visit.at.as_millis() / BUCKET.as_millis();
        if let Some(bucket) = usize::try_from(number).ok().and_then(|number| buckets.get_mut(number)) {
            bucket.push(visit);
        }
    }
    buckets
}

fn put(svg: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(svg, "{part}");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
