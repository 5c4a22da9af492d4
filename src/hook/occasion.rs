//! Why an event is handled: by a call of libvirt, in the background, or by hand.

/// Why an event is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// libvirt called.
    Call,
    /// A user's own libvirt called: networking takes no part.
    Session,
    /// libvirt called, and has not been kept waiting: the supervisor of one script goes on.
    Background,
    /// An operator tries it out: what is known of real VMs stays as it is, a pause does not hold, and every script is waited
    /// for.
    Rehearsal,
}
