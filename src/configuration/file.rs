//! Configuration files: their list, and the text of one.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use toml::Spanned;
use toml::de::DeTable;

use super::problem::{Cost, Problem};
use super::value::Refusal;
use crate::record::Escaped;
use crate::trust::{Judge, Unusable, shell};

/// Returns the files in order: the main one, even if missing, and the drop-ins. With the error of an unreadable folder.
pub(crate) fn files(main: &Path, folder: &Path) -> (Vec<PathBuf>, Option<(PathBuf, Problem)>) {
    let mut files = vec![main.to_owned()];
    match drop_ins(folder) {
        Ok(drop_ins) => files.extend(drop_ins),
        Err(error) => {
            let message = format!("the folder cannot be read, and its files are ignored: {error}");
            let problem = Problem { cost: Cost::File, message, place: None, remedy: None };
            return (files, Some((folder.to_owned(), problem)));
        }
    }
    (files, None)
}

/// The drop-ins in a folder in the order in which they count. A folder that is missing has none.
fn drop_ins(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if name.as_bytes().ends_with(b".toml") && !name.as_bytes().starts_with(b".") {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

/// Returns a file's text, or `None` if it is missing. Reads at most `most` bytes.
///
/// # Errors
/// The file cannot be used, which costs all of it.
pub(crate) fn text(file: &Path, judge: &Judge, most: u64) -> Result<Option<String>, Problem> {
    let refuse = |message, remedy| Err(Problem { cost: Cost::File, message, place: None, remedy });
    match judge.inspect(file) {
        Ok(inspection) => {
            if let Some(fault) = inspection.fault {
                return refuse(format!("it can't be trusted: {}", fault.reason()), Some(fault.remedy()));
            }
        }
        Err(Unusable::Vanished) => return Ok(None),
        Err(Unusable::Empty) => return Ok(Some(String::new())),
        Err(unusable) => {
            // A folder, a FIFO, a link to nothing: nothing that an editor could open.
            let word = shell(file);
            return refuse(unusable.to_string(), Some(format!("mv {word} {word}.old")));
        }
    }
    // NONBLOCK, since a FIFO may have replaced it.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let mut bytes = Vec::new();
    let read = OpenOptions::new().read(true).custom_flags(flags).open(file).and_then(|opened| {
        // Room that has to grow on the way is copied each time.
        let length = opened.metadata()?.len().min(most);
        bytes.reserve_exact(usize::try_from(length).unwrap_or_default() + 1);
        opened.take(most).read_to_end(&mut bytes)
    });
    let text = match read {
        Err(error) => Err(format!("it can't be read: {error}")),
        Ok(_) if bytes.len() as u64 == most => Err(format!("it is longer than {most} bytes")),
        Ok(_) => String::from_utf8(bytes).map(Some).map_err(|error| format!("it is not UTF-8: {error}")),
    };
    text.or_else(|message| refuse(message, None))
}

/// Reads a text as TOML.
///
/// # Errors
/// The first mistake, and where it is.
pub(crate) fn toml(text: &str) -> Result<Spanned<DeTable<'_>>, Refusal> {
    DeTable::parse(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        (error.span().unwrap_or_default(), Escaped(message.as_bytes()).to_string())
    })
}
