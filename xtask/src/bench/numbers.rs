//! Numbers that look random and are the same in every run.

/// A source of numbers (xorshift, Marsaglia 2003).
pub(crate) struct Numbers(u64);

impl Numbers {
    /// The numbers that belong to `number`.
    pub(crate) fn of(number: u64) -> Self {
        Self((0x9e37_79b9_7f4a_7c15 ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d)).max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// So many characters that could be of a hash or a key.
    pub(crate) fn letters(&mut self, length: usize) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::with_capacity(length + 10);
        while text.len() < length {
            let number = self.next();
            text.extend((0..10).map(|at| DIGITS[(number >> (6 * at)) as usize & 63] as char));
        }
        text.truncate(length);
        text
    }
}
