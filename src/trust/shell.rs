//! Paths in commands that messages end with.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::journal::Escaped;

/// A path as a word that can be pasted from a record into a shell. What a record would write otherwise than it is (a
/// backslash, a control character, what is no UTF-8) is a `?`, which the shell matches with whatever is there.
pub(crate) fn shell(path: &Path) -> String {
    let mut word = String::new();
    for piece in path.as_os_str().as_bytes().utf8_chunks() {
        for part in piece.valid().split_inclusive(|character| !Escaped::leaves(character)) {
            let kept = part.trim_end_matches(|character| !Escaped::leaves(character));
            if !kept.is_empty() {
                // Only a NUL has no quoting, and no path holds one.
                word.push_str(&shlex::try_quote(kept).unwrap_or_default());
            }
            word.extend(part.get(kept.len()..).unwrap_or_default().chars().map(|_| '?'));
        }
        word.extend(piece.invalid().iter().map(|_| '?'));
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_path_is_a_word_for_a_shell_whatever_is_in_it() {
        let word = |bytes: &[u8]| shell(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(word(b"/a/b.sh"), "/a/b.sh");
        assert_eq!(word(b"/a b/it's"), "\"/a b/it's\"");
        assert_eq!(word(b"/a\\b\n\xffc"), "/a?b??c");
        assert_eq!(word("/ä".as_bytes()), "'/ä'");
    }
}
