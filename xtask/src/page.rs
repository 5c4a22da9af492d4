//! A manual page in the `man` macros of roff, as groff and mandoc both take them (groff_man(7), mandoc's man(7)).

/// Maximum length of a line of the source, in bytes, if it can be folded.
const WIDTH: usize = 80;

/// The manual that a section is, as it stands above its pages.
const fn manual(section: u8) -> &'static str {
    match section {
        5 => "File Formats Manual",
        _ => "System Manager\\(aqs Manual",
    }
}

/// A manual page, written from top to bottom.
#[derive(Debug)]
pub(crate) struct Page {
    source: String,
}

impl Page {
    /// A page without a date, so that it changes only with what it says, and without hyphens, which would part paths.
    pub(crate) fn new(name: &str, section: u8, version: &str, summary: &str) -> Self {
        let title = escaped(&name.to_uppercase());
        let mut page = Self {
            source: format!(
                ".\\\" Made by `make man` from the program's definitions: change those.\n\
                 .TH {title} {section} \"\" \"virt\\-hooks {version}\" \"{}\"\n\
                 .nr HY 0\n.nh\n.ad l\n",
                manual(section),
            ),
        };
        page.section("NAME");
        page.line(&format!("{} \\- {}", escaped(name), escaped(summary)));
        page
    }

    /// Begins a section.
    pub(crate) fn section(&mut self, heading: &str) {
        self.line(&format!(".SH {}", escaped(heading)));
    }

    /// Begins a part of a section.
    pub(crate) fn subsection(&mut self, heading: &str) {
        self.line(&format!(".SS {}", escaped(heading)));
    }

    /// A paragraph of marked text.
    pub(crate) fn paragraph(&mut self, text: &str) {
        self.part();
        self.text(text);
    }

    /// Adds the command lines, one below the other: each of marked texts that stay in one line.
    pub(crate) fn synopses(&mut self, calls: impl IntoIterator<Item = Vec<String>>) {
        self.line(".PD 0");
        for parts in calls {
            let parts: Vec<String> = parts.iter().map(|part| marked(part).replace(' ', "\\ ")).collect();
            self.line(".HP 4");
            self.line(&folded(&parts.join(" ")));
        }
        self.line(".PD");
    }

    /// A marked term, and behind it what it means.
    pub(crate) fn item(&mut self, term: &str, text: &str) {
        self.line(".TP");
        self.text(term);
        self.text(text);
    }

    /// Adds another paragraph to the previous item.
    pub(crate) fn item_goes_on(&mut self, text: &str) {
        self.line(".IP");
        self.text(text);
    }

    /// Lines as they stand, to be typed.
    pub(crate) fn code<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.part();
        self.line(".RS 4\n.EX");
        for line in lines {
            self.line(&guarded(&escaped(line)));
        }
        self.line(".EE\n.RE");
    }

    /// The page's source.
    pub(crate) fn finish(self) -> String {
        self.source
    }

    /// Parts paragraphs. The first one of a section is parted from its heading already.
    fn part(&mut self) {
        let last = self.source.lines().last().unwrap_or_default();
        if !last.starts_with(".SH") && !last.starts_with(".SS") {
            self.line(".PP");
        }
    }

    fn text(&mut self, text: &str) {
        self.line(&folded(&marked(text)));
    }

    fn line(&mut self, line: &str) {
        self.source.push_str(line);
        self.source.push('\n');
    }
}

/// Text with bold where it stands in backticks, for what is typed as it stands, and with italics there for `<what>` is
/// to be replaced.
fn marked(text: &str) -> String {
    let mut roff = String::new();
    for (index, part) in text.split('`').enumerate() {
        match (index % 2, part) {
            (0, prose) => roff.push_str(&escaped(prose)),
            (_, literal) => {
                let literal = escaped(literal).replace('<', "\\fI").replace('>', "\\fB");
                roff.push_str(&format!("\\fB{literal}\\fR").replace("\\fB\\fI", "\\fI").replace("\\fB\\fR", "\\fR"));
            }
        }
    }
    roff
}

/// Text in which every character is itself. Without it `-` is a hyphen and the quotes are those of books, which can't be
/// pasted into a shell.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\\' => "\\e".to_owned(),
            '-' => "\\-".to_owned(),
            '\'' => "\\(aq".to_owned(),
            '`' => "\\(ga".to_owned(),
            '^' => "\\(ha".to_owned(),
            '~' => "\\(ti".to_owned(),
            '"' => "\\(dq".to_owned(),
            character => character.to_string(),
        })
        .collect()
}

/// Folds text to lines that fit a screen. Only the last line ends a sentence, since roff puts two blanks at the end of
/// one that does.
fn folded(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut ends_sentence = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            // An escaped blank is none to break at.
            Some(line) if line.ends_with('\\') || ends_sentence || line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
        ends_sentence = word.trim_end_matches("\\fR").ends_with(['.', '?', '!', ')', ']']);
    }
    lines.iter().map(|line| guarded(line)).collect::<Vec<_>>().join("\n")
}

/// A line that is text even where it begins like a macro.
fn guarded(line: &str) -> String {
    if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_bold_and_what_is_replaced_is_italic() {
        assert_eq!(marked("a `b` c"), "a \\fBb\\fR c");
        assert_eq!(marked("`<operation>_<name>`"), "\\fIoperation\\fB_\\fIname\\fR");
        assert_eq!(marked("`--xml <FILE>`"), "\\fB\\-\\-xml \\fIFILE\\fR");
    }

    #[test]
    fn every_character_is_itself() {
        assert_eq!(escaped("don't -x ~ ^ \\ \" `"), "don\\(aqt \\-x \\(ti \\(ha \\e \\(dq \\(ga");
        assert_eq!(guarded(".SH"), "\\&.SH");
    }

    #[test]
    fn long_lines_are_folded_where_no_sentence_ends_and_no_blank_is_escaped() {
        let word = "x".repeat(78);
        assert_eq!(folded(&format!("{word} {word}. {word} .")), format!("{word}\n{word}. {word}\n\\&."));
        assert_eq!(folded(&format!("{word}\\ {word}")), format!("{word}\\ {word}"));
    }
}
