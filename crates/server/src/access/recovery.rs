//! Recovery codes: ten, each good once, for the day on which the other factor is lost. 80 random
//! bits each, so that a plain hash keeps them.

use holdfast_model::Secret;

use super::opaque;

/// How many are made.
pub(super) const COUNT: usize = 10;

/// Ten codes such as `1f8a0-6c2d9-b3e47-50a1c`.
pub(super) fn new_codes() -> Vec<Secret> {
    (0..COUNT).map(|_| new_code()).collect()
}

fn new_code() -> Secret {
    let digits = hex::encode(opaque::random_bytes::<10>());
    let groups = [&digits[..5], &digits[5..10], &digits[10..15], &digits[15..]];
    Secret::new(groups.join("-"))
}

/// How a code is kept. Case, dashes and blanks do not count.
pub(super) fn hash(code: &Secret) -> String {
    let digits = code.expose().iter().filter(|byte| byte.is_ascii_alphanumeric());
    let digits: Vec<u8> = digits.map(u8::to_ascii_lowercase).collect();
    opaque::hash(&Secret::new(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        let code = new_code();
        let text = code.expose_str().unwrap().to_owned();
        assert_eq!(text.len(), 23);
        let typed = Secret::new(text.to_uppercase().replace('-', "  "));
        assert_eq!(hash(&typed), hash(&code));
        assert_ne!(hash(&new_code()), hash(&code));
    }
}
