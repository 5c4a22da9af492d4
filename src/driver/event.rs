//! What libvirt said: one call of the hook, as its arguments tell it.
//!
//! libvirt calls `qemu OBJECT OPERATION SUB-OPERATION EXTRA`, always with four arguments
//! (<https://libvirt.org/hooks.html#arguments>). They are bytes, not text: a domain's name may hold blanks,
//! quotes, any UTF-8 and, for a transient domain, even a newline.

use std::ffi::{OsStr, OsString};

/// A step of a domain's life at which libvirt calls the hook.
///
/// The names are libvirt's and the specification's; they are matched exactly, upper and lower case included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Before libvirt gathers what the domain needs.
    Prepare,
    /// What it needs is there; the domain is about to be started.
    Start,
    /// The domain's process runs.
    Started,
    /// The domain has ended; what it used is still held.
    Stopped,
    /// libvirt has let go of what the domain used.
    Release,
    /// A live migration arrives at this host.
    Migrate,
    /// A saved domain is brought back.
    Restore,
    /// The daemon was restarted and found the domain running.
    Reconnect,
    /// The daemon took over a qemu that it had not started. No caller since libvirt 5.5; still a valid name.
    Attach,
}

impl Operation {
    /// Every operation, in the specification's order.
    pub const ALL: [Self; 9] = [
        Self::Prepare,
        Self::Start,
        Self::Started,
        Self::Stopped,
        Self::Release,
        Self::Migrate,
        Self::Restore,
        Self::Reconnect,
        Self::Attach,
    ];

    /// The operation of this name, if there is one.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name().as_bytes() == name)
    }

    /// Its name, as libvirt passes it and as script names begin with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Start => "start",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Release => "release",
            Self::Migrate => "migrate",
            Self::Restore => "restore",
            Self::Reconnect => "reconnect",
            Self::Attach => "attach",
        }
    }

    /// The sub-operation with which libvirt calls it.
    pub const fn sub_operation(self) -> &'static str {
        match self {
            Self::Stopped | Self::Release => "end",
            _ => "begin",
        }
    }

    /// Whether a non-zero exit refuses something that does not run yet.
    ///
    /// On `started` and `reconnect` libvirt kills the domain that runs; on the rest it ignores the exit code.
    pub const fn can_be_refused(self) -> bool {
        matches!(self, Self::Prepare | Self::Start | Self::Migrate | Self::Restore)
    }

    /// Whether what is known of the domain is of an earlier life: it does not run here yet. At `migrate` and `restore` libvirt has
    /// not looked yet whether it does.
    pub const fn begins_a_life(self) -> bool {
        matches!(self, Self::Prepare)
    }

    /// Whether libvirt takes what the hook prints for the domain's new XML (libvirt.org/hooks.html).
    pub const fn takes_xml_back(self) -> bool {
        matches!(self, Self::Migrate | Self::Restore)
    }

    /// Whether libvirt passes the domain's live XML, which names its taps and bridges.
    ///
    /// At `prepare` taps have no names yet, and at `stopped` and `release` the XML is the inactive form again.
    pub const fn shows_live_xml(self) -> bool {
        matches!(self, Self::Start | Self::Started | Self::Reconnect)
    }
}

/// One call of the hook. It has at least [`Event::ARGUMENTS`] arguments; more are kept and passed on.
#[derive(Debug, Clone)]
pub struct Event {
    arguments: Vec<OsString>,
    operation: Option<Operation>,
}

impl Event {
    /// How many arguments libvirt passes.
    pub const ARGUMENTS: usize = 4;

    /// The event that these arguments (without the program's name) tell, or nothing where some are missing.
    pub fn parse(arguments: Vec<OsString>) -> Option<Self> {
        let [_domain, operation, _sub_operation, _extra, ..] = arguments.as_slice() else {
            return None;
        };
        let operation = Operation::named(operation.as_encoded_bytes());
        Some(Self { arguments, operation })
    }

    /// All arguments as they were received; every script is given the same.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The operation, or nothing where libvirt has none of the name received.
    pub const fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// The domain's name; `-` where the operation concerns no object.
    pub fn domain(&self) -> &OsStr {
        self.argument(0)
    }

    /// The operation's name as it was received, valid or not.
    pub fn operation_name(&self) -> &OsStr {
        self.argument(1)
    }

    /// The sub-operation, or `-`.
    pub fn sub_operation(&self) -> &OsStr {
        self.argument(2)
    }

    /// The extra argument, or `-`. At `release` libvirt 10.5 and newer tell there why the domain ended.
    pub fn extra(&self) -> &OsStr {
        self.argument(3)
    }

    fn argument(&self, index: usize) -> &OsStr {
        self.arguments.get(index).map_or(OsStr::new("-"), OsString::as_os_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(arguments: &[&str]) -> Option<Event> {
        Event::parse(arguments.iter().map(OsString::from).collect())
    }

    #[test]
    fn fewer_than_four_arguments_are_no_event() {
        for count in 0..Event::ARGUMENTS {
            assert!(event(&["vm", "start", "begin", "-"][..count]).is_none(), "{count} arguments");
        }
    }

    #[test]
    fn further_arguments_are_kept() {
        let event = event(&["vm", "start", "begin", "-", "more", "and more"]).expect("enough arguments");
        assert_eq!(event.arguments().len(), 6);
        assert_eq!(event.extra(), "-");
    }

    #[test]
    fn operations_are_matched_exactly() {
        for operation in Operation::ALL {
            assert_eq!(Operation::named(operation.name().as_bytes()), Some(operation));
        }
        for wrong in ["", "all", "Start", "START", "start ", " start", "starte", "star", "start\n", "начало"] {
            assert_eq!(Operation::named(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
