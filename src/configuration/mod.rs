//! Files that operators write: a main one and drop-ins, in TOML, read only where nobody else could have changed them.

mod file;
mod problem;
mod value;

pub(crate) use self::file::{files, text};
pub use self::problem::{Cost, Place, Problem};
pub(crate) use self::value::{Refusal, boolean, described, matches, nearest, one_of, pattern};
