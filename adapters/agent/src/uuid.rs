//! Random IDs.

use std::fmt::Write as _;

/// A random UUID (version 4).
///
/// # Errors
/// The system has no random bytes to give.
pub(crate) fn random() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("the system gives no random bytes: {error}"))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("strings take all");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_random_id_has_the_form_of_a_uuid() {
        let id = super::random().unwrap();
        let dashes: Vec<usize> = id.match_indices('-').map(|(place, _)| place).collect();
        assert_eq!((id.len(), dashes), (36, vec![8, 13, 18, 23]));
        assert_eq!(&id[14..15], "4");
        assert_ne!(super::random().unwrap(), id);
    }
}
