//! An operation of a driver: a step of an object's lifecycle at which libvirt calls the hook.

/// What libvirt does where the hook exits with another code than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// It refuses the operation. Nothing runs yet.
    Refuses,
    /// It ends what runs: it kills the domain, destroys the network, or the daemon does not start.
    Kills,
    /// It ignores the exit code.
    Ignored,
}

/// Where in the object's lifecycle libvirt calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The domain comes from elsewhere. libvirt has not checked yet whether it runs here already.
    Arriving,
    /// libvirt gathers what the domain needs. Anything recorded of an earlier run is stale.
    Preparing,
    /// The object is about to be started.
    Starting,
    /// The object runs.
    Running,
    /// The object has ended; what it used is still held.
    Stopped,
    /// libvirt has released what the domain used.
    Released,
}

/// An operation, as libvirt's driver has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub(super) name: &'static str,
    pub(super) old_name: Option<&'static str>,
    pub(super) description: &'static str,
    pub(super) sub_operation: &'static str,
    pub(super) extra: &'static str,
    pub(super) stage: Stage,
    pub(super) exit_code: ExitCode,
    pub(super) is_filter: bool,
    pub(super) has_live_xml: bool,
    pub(super) is_migration: bool,
}

impl Operation {
    /// An operation without a filter, live XML or an old name; libvirt calls those after the object's end with `end`.
    pub(super) const fn at(name: &'static str, description: &'static str, stage: Stage, exit_code: ExitCode) -> Self {
        Self {
            name,
            old_name: None,
            description,
            sub_operation: if matches!(stage, Stage::Stopped | Stage::Released) { "end" } else { "begin" },
            extra: "-",
            stage,
            exit_code,
            is_filter: false,
            has_live_xml: false,
            is_migration: false,
        }
    }

    /// The same, called with this sub-operation and extra argument.
    pub(super) const fn with(self, sub_operation: &'static str, extra: &'static str) -> Self {
        Self { sub_operation, extra, ..self }
    }

    /// The same, with the domain's live XML on stdin.
    pub(super) const fn live(self) -> Self {
        Self { has_live_xml: true, ..self }
    }

    /// The same, with the domain's new XML taken from stdout.
    pub(super) const fn filter(self) -> Self {
        Self { is_filter: true, ..self }
    }

    /// Returns true if libvirt calls it by this name, or did so once.
    pub(super) fn is_called(self, name: &[u8]) -> bool {
        name == self.name.as_bytes() || self.old_name.is_some_and(|old| name == old.as_bytes())
    }

    /// Returns the name by which older versions of libvirt call it.
    pub const fn old_name(self) -> Option<&'static str> {
        self.old_name
    }

    /// Returns the extra argument with which libvirt calls it; `-` where that varies.
    pub const fn extra(self) -> &'static str {
        self.extra
    }

    /// Returns its name, as libvirt passes it and as script names begin with it.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the sentence of the manual that says when libvirt calls it.
    pub const fn description(self) -> &'static str {
        self.description
    }

    /// Returns the sub-operation with which libvirt calls it.
    pub const fn sub_operation(self) -> &'static str {
        self.sub_operation
    }

    /// Returns where in the domain's lifecycle it stands.
    pub const fn stage(self) -> Stage {
        self.stage
    }

    /// Returns what libvirt does where the hook fails.
    pub const fn exit_code(self) -> ExitCode {
        self.exit_code
    }

    /// Returns true if a non-zero exit refuses something that does not run yet.
    pub const fn can_be_refused(self) -> bool {
        matches!(self.exit_code, ExitCode::Refuses)
    }

    /// Returns true if libvirt takes what the hook prints for the domain's new XML.
    pub const fn takes_xml_back(self) -> bool {
        self.is_filter
    }

    /// Returns true if libvirt passes the domain's live XML, which names its taps and bridges.
    pub const fn shows_live_xml(self) -> bool {
        self.has_live_xml
    }

    /// Returns true if a live migration arrives.
    pub const fn is_migration(self) -> bool {
        self.is_migration
    }
}
