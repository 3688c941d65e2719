//! Words of commands that a reader types.

/// A word as a shell takes it: in quotes where it needs them.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn only_what_a_shell_would_take_apart_is_quoted() {
        for (word, typed) in
            [("a/b-1.seq", "a/b-1.seq"), ("a b", "'a b'"), ("", "''"), ("it's", "'it'\\''s'")]
        {
            assert_eq!(shell_word(word), typed);
        }
    }
}
