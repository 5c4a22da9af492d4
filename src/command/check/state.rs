//! Whether the hook can keep what it keeps between events.

use super::Findings;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::state;
use crate::trust::shell;

pub(super) fn check(paths: &Paths, findings: &mut Findings) {
    if state::check(paths.state()).is_err() {
        let message = "it is no folder of root's own that nobody else may write to: no live XML is kept for stopped and \
                       release, no exclusive script runs, and no pause holds";
        // What others may have written is not believed, so nothing is lost that would be of use.
        let state = shell(paths.state());
        findings.error(Quoted::path(paths.state()), message, format!("mv {state} {state}.old"));
    }
}
