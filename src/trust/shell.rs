//! Paths in commands that messages end with.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::record::Escaped;

/// Quotes a path as one shell word that can be pasted from a record or a terminal.
///
/// A record escapes backslashes, control characters and bytes that are not UTF-8, and shell quotes do not survive that.
/// Such a
/// path is written in base64 with the command that decodes it.
pub(crate) fn shell(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(Escaped::leaves));
    match plain.and_then(|text| shlex::try_quote(text).ok()) {
        Some(word) => word.into_owned(),
        None => {
            // Command substitution removes newlines at the end. The third byte of IFS is a newline.
            let kept = bytes.iter().rposition(|&byte| byte != b'\n').map_or(0, |last| last + 1);
            let newlines = "${IFS#??}".repeat(bytes.len() - kept);
            format!("\"$(echo {} | base64 -d){newlines}\"", base64(bytes.get(..kept).unwrap_or(bytes)))
        }
    }
}

/// Returns bytes in base64 (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0, |bits, index| bits << 8 | usize::from(chunk.get(index).copied().unwrap_or(0)));
        (0..4).map(move |index| {
            let digit = DIGITS.get(bits >> (18 - 6 * index) & 63).filter(|_| index <= chunk.len());
            char::from(digit.copied().unwrap_or(b'='))
        })
    });
    digits.collect()
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
        assert_eq!(word(b"/a\\b\n\xffc"), "\"$(echo L2FcYgr/Yw== | base64 -d)\"");
        assert_eq!(word(b"/a\n\n"), "\"$(echo L2E= | base64 -d)${IFS#??}${IFS#??}\"");
        assert_eq!(word("/ä".as_bytes()), "'/ä'");
    }
}
