//! Text below the options of a command's `--help`: paragraphs and examples.

/// A part of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// A paragraph, in one line.
    Paragraph(String),
    /// Lines to be typed, without their indentation.
    Code(Vec<&'a str>),
}

/// Indentation of examples.
const INDENTATION: &str = "  ";

/// The parts of such a text: what is indented is to be typed, blank lines part paragraphs.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut apart = true;
    for line in text.lines() {
        match (line.strip_prefix(INDENTATION), parts.last_mut()) {
            _ if line.trim().is_empty() => {
                apart = true;
                continue;
            }
            (Some(line), Some(Part::Code(lines))) => lines.push(line),
            (Some(line), _) => parts.push(Part::Code(vec![line])),
            (None, Some(Part::Paragraph(paragraph))) if !apart => {
                paragraph.push(' ');
                paragraph.push_str(line);
            }
            (None, _) => parts.push(Part::Paragraph(line.to_owned())),
        }
        apart = false;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined_and_examples_keep_their_lines() {
        let text = "One\ntwo.\n\nThree.\n\nExamples:\n  a b\n    c\n\nAnd:\n  d";
        let paragraph = |text: &str| Part::Paragraph(text.to_owned());
        assert_eq!(
            parts(text),
            [
                paragraph("One two."),
                paragraph("Three."),
                paragraph("Examples:"),
                Part::Code(vec!["a b", "  c"]),
                paragraph("And:"),
                Part::Code(vec!["d"]),
            ]
        );
    }
}
