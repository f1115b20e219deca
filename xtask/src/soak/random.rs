//! Choices that one number decides: the same seed makes the same choices.

use crate::Problem;

/// Something that a client does.
pub(super) type Action<Client> = fn(&mut Client) -> Result<(), Problem>;

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and more than good enough to mix a load.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The choices of one client among those of a run.
    pub(super) fn new(seed: u64, client: u64) -> Self {
        let mut random = Self(seed ^ client.wrapping_mul(0xA076_1D64_78BD_642F));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Whether something happens that does so many times in a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several, each as likely as the others.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// One of several, each as likely as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, from: &[(u64, T)]) -> T {
        let mut left = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, one) in from {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *one,
            }
        }
        unreachable!("less than the sum of all weights")
    }

    /// A text with whatever is hard on encoders: quotes, controls, several alphabets; mostly short.
    pub(super) fn text(&mut self) -> String {
        const PIECES: [&str; 12] =
            ["a", "Ärger", " ", "\"", "\\", "\n", "\u{1}", "日本", "🦀", "</script>", "0", "\u{2028}"];
        let pieces = match self.below(100) {
            0 => 20_000,
            1..10 => 400,
            _ => 8,
        };
        (0..=self.below(pieces)).map(|_| self.pick(&PIECES)).collect()
    }

    /// A word that may stand in headers and URIs as it is.
    pub(super) fn word(&mut self) -> String {
        format!("w{:x}", self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_weights_count() {
        let choices = |seed, client| {
            let mut random = Random::new(seed, client);
            (0..1000).map(|_| random.weighted(&[(9, 'a'), (0, 'b'), (1, 'c')])).collect::<String>()
        };
        assert_eq!(choices(1, 2), choices(1, 2));
        assert_ne!(choices(1, 2), choices(1, 3));
        let count = |wanted| choices(1, 2).chars().filter(|choice| *choice == wanted).count();
        assert_eq!((count('b'), count('a') > 800), (0, true));
    }
}
