//! An operation of a driver: a step of an object's lifecycle at which libvirt calls the hook.

/// What libvirt does where the hook exits with another code than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// It refuses the operation. Nothing runs yet.
    Refuses,
    /// It kills the domain that runs.
    Kills,
    /// It ignores the exit code.
    Ignored,
}

/// Where in the domain's lifecycle libvirt calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The domain comes from elsewhere. libvirt has not checked yet whether it runs here already.
    Arriving,
    /// libvirt gathers what the domain needs. Anything recorded of an earlier run is stale.
    Preparing,
    /// The domain is about to be started.
    Starting,
    /// The domain runs.
    Running,
    /// The domain has ended; what it used is still held.
    Stopped,
    /// libvirt has released what the domain used.
    Released,
}

/// An operation, as libvirt's driver has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) sub_operation: &'static str,
    pub(super) stage: Stage,
    pub(super) exit_code: ExitCode,
    pub(super) is_filter: bool,
    pub(super) has_live_xml: bool,
    pub(super) is_migration: bool,
}

impl Operation {
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
