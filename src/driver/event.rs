//! An event: one call of the hook by libvirt, with its arguments.
//!
//! libvirt calls `DRIVER OBJECT OPERATION SUB-OPERATION EXTRA`, always with four arguments
//! (<https://libvirt.org/hooks.html#arguments>). They are bytes, not text: a domain's name may hold blanks,
//! quotes, any UTF-8 and, for a transient domain, even a newline.

use std::ffi::{OsStr, OsString};

use super::{Driver, Object, Operation};

/// One call of the hook. It has at least [`Event::ARGUMENTS`] arguments; more are kept and passed on.
#[derive(Debug, Clone)]
pub struct Event {
    driver: &'static Driver,
    arguments: Vec<OsString>,
    operation: Option<Operation>,
}

impl Event {
    /// How many arguments libvirt passes.
    pub const ARGUMENTS: usize = 4;

    /// Parses the arguments of a call of this driver's hook, without the program's name. Returns none where fewer than four
    /// were passed.
    pub fn parse(driver: &'static Driver, arguments: Vec<OsString>) -> Option<Self> {
        let [_domain, operation, _sub_operation, _extra, ..] = arguments.as_slice() else {
            return None;
        };
        let operation = driver.operation(operation.as_encoded_bytes());
        Some(Self { driver, arguments, operation })
    }

    /// The driver that called.
    pub const fn driver(&self) -> &'static Driver {
        self.driver
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

    /// The object that it is about, by which state is keyed.
    pub fn object(&self) -> Object {
        Object::new(self.driver, self.domain())
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
    use crate::driver::QEMU;

    fn event(arguments: &[&str]) -> Option<Event> {
        Event::parse(&QEMU, arguments.iter().map(OsString::from).collect())
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
        for &operation in QEMU.operations {
            assert_eq!(QEMU.operation(operation.name().as_bytes()), Some(operation));
        }
        for wrong in ["", "all", "Start", "START", "start ", " start", "starte", "star", "start\n", "начало"] {
            assert_eq!(QEMU.operation(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
