//! Times as people write them: `250ms`, `10s`, `2m`, `1h`.

/// The units, the largest first, with their milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Milliseconds of such a text: a whole number and a unit, with blanks between them at most.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*millis)
}

/// Such a text, in the largest unit that is exact.
pub(super) fn written(millis: u64) -> String {
    let exact = |(_, unit): &&(&str, u64)| millis.is_multiple_of(*unit) && millis > 0;
    let (name, unit) = UNITS.iter().find(exact).unwrap_or(&("s", 1000));
    format!("{}{name}", millis / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("0ms", 0),
            ("250ms", 250),
            ("10s", 10_000),
            ("90s", 90_000),
            (" 2 m ", 120_000),
            ("1h", 3_600_000),
            ("007s", 7000),
        ] {
            assert_eq!(parse(text), Some(millis), "{text}");
        }
        for bad in
            ["", "10", "s", "-1s", "1.5s", "1 h 2 m", "10S", "10sec", "1d", "٣s", "18446744073709551615h"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for millis in [0, 1, 999, 1000, 1001, 60_000, 90_000, 3_600_000, 86_400_000, u64::MAX] {
            assert_eq!(parse(&written(millis)), Some(millis));
        }
        assert_eq!(written(60_000), "1m");
        assert_eq!(written(90_000), "90s");
        assert_eq!(written(0), "0s");
    }
}
