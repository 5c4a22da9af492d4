//! Configuration files of operators: a main file and drop-ins, in TOML, read only if no other user can change them.

mod file;
mod key;
mod problem;
mod value;

pub(crate) use self::file::{files, text, toml};
pub use self::key::{DefaultValue, Entry};
pub(crate) use self::key::{Key, Section, set};
pub(crate) use self::problem::Problems;
pub use self::problem::{Cost, Place, Problem};
pub(crate) use self::value::{Refusal, Value, matches, nearest, shown};
