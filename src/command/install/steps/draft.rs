//! Drafts, and what they had replaced, that an installation left behind which was cut off.

use std::fs;
use std::path::{Path, PathBuf};

use super::Step;
use super::change::{Change, hidden};
use crate::record::Quoted;

/// Removes those beside these places; those of a version that gave them no `~` as well.
pub(crate) fn left_behind(places: &[&Path]) -> Vec<Step> {
    let hidden = places.iter().flat_map(|place| ["new~", "old~", "new", "old"].map(|what| hidden(place, what)));
    let left = hidden.filter(|path| fs::symlink_metadata(path).is_ok_and(|status| !status.is_dir()));
    let tell = |path: PathBuf| {
        let what = format!("{}: an installation that was cut off left it", Quoted::path(&path));
        Step::change("removed", what, Change::Discard(path))
    };
    left.map(tell).collect()
}
