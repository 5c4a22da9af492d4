//! Stand-ins for the programs that the hook calls: they may be missing, fail, hang or lie.

use crate::machine::Machine;

impl Machine {
    /// Has this shell script in place of a program, which is at `/run/real/NAME` meanwhile.
    pub(crate) fn replaces(&self, program: &str, script: &str) {
        self.write(&format!("/run/stand-in/{program}"), format!("#!/bin/bash\n{script}\n"), 0o755);
        self.cover(program);
    }

    /// Has a program no more.
    pub(crate) fn loses(&self, program: &str) {
        self.write(&format!("/run/stand-in/{program}"), "", 0o644);
        self.cover(program);
    }

    fn cover(&self, program: &str) {
        self.shell(&format!(
            "place=$(readlink -f \"$(command -v {program})\")
             mkdir -p /run/real
             [ -e /run/real/{program} ] || cp \"$place\" /run/real/{program}
             mount --bind /run/stand-in/{program} \"$place\""
        ));
    }

    /// Has a program again that was replaced or lost.
    pub(crate) fn regains(&self, program: &str) {
        // The shell of this machine may be looking for what it can't see.
        self.shell(&format!(
            "umount -l \"$(for folder in ${{PATH//:/ }}; do \
             [ -e $folder/{program} ] && readlink -f $folder/{program} && break; done)\""
        ));
    }
}
