//! The kinds of messages: one table, from which a message is written and read back.
//!
//! A kind is a row of stable words and of fields, each with its view in [`field`](super::field). An explanation is the last
//! field, a [`Why`]: it is for a person, and may be reworded without a change of anything that reads the log. A kind's
//! words are part of the log's format; docs and tests name them.

use std::borrow::Cow;
use std::time::Duration;

use super::field::{
    Bytes, Ended, Limit, Milliseconds, Name, Names, Number, OfLine, OfScript, Printed, SignalNumber, Stream, Text,
    Until, Why,
};
use super::level::Level;

/// Appends one piece of a row.
macro_rules! write_piece {
    ($out:ident, $word:literal) => {
        $out.extend_from_slice($word.as_bytes())
    };
    ($out:ident, ($field:ident: $view:ident)) => {
        $view::write($out, $field)
    };
}

/// Reads one piece of a row, and leaves the rest.
macro_rules! read_piece {
    ($rest:ident, $word:literal) => {
        $rest = $rest.strip_prefix($word.as_bytes())?;
    };
    ($rest:ident, ($field:ident: $view:ident)) => {
        let ($field, behind) = $view::read($rest)?;
        $rest = behind;
    };
}

/// Rewords one piece of a row, where it is an explanation.
macro_rules! reword_piece {
    ($words:ident, $word:literal) => {};
    ($words:ident, ($field:ident: Why)) => {
        *$field = $words.to_owned().into();
    };
    ($words:ident, ($field:ident: OfScript)) => {
        $field.to_mut().reword($words);
    };
    ($words:ident, ($field:ident: $view:ident)) => {
        _ = $field;
    };
}

/// Declares kinds, and derives their writer and their reader from their rows.
macro_rules! kinds {
    ($(#[$about:meta])* enum $name:ident $(<$life:lifetime>)? {
        $($(#[$doc:meta])* $kind:ident $({ $($(#[$said:meta])* $field:ident: $type:ty,)* })? => [$($piece:tt)*])*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name $(<$life>)? {
            $($(#[$doc])* $kind $({ $($(#[$said])* $field: $type,)* })?,)*
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// The names of all kinds, in the order of their table.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($kind)),*];

            /// The name of its kind.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind $({ $($field: _),* })? => stringify!($kind),)*
                }
            }

            /// Replaces its explanation, if it has one. No reader of the log may notice: a test makes sure of it.
            pub fn reword(&mut self, words: &str) {
                match self {
                    $(Self::$kind $({ $($field),* })? => { $(reword_piece!(words, $piece);)* })*
                }
            }

            /// Appends its row.
            fn write_row(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$kind $({ $($field),* })? => { $(write_piece!(out, $piece);)* })*
                }
            }

            /// Reads a text by each row in turn.
            fn read_row(text: &$($life)? [u8]) -> Option<Self> {
                $(
                    let row = || {
                        let mut rest = text;
                        $(read_piece!(rest, $piece);)*
                        rest.is_empty().then_some(Self::$kind $({ $($field),* })?)
                    };
                    if let Some(read) = row() {
                        return Some(read);
                    }
                )*
                None
            }
        }
    };
}

kinds! {
    /// Outcome of a script at an event.
    enum Outcome {
        /// The script exited.
        Exited {
            /// Its exit code.
            code: i32,
            /// Its run time.
            after: Duration,
        } => ["exited with " (code: Number) " after " (after: Milliseconds)]
        /// A signal ended it that was not ours.
        Signaled {
            /// The signal's number.
            signal: i32,
            /// Its run time.
            after: Duration,
        } => ["killed by signal " (signal: SignalNumber) " after " (after: Milliseconds)]
        /// The script was still running at its deadline, and was ended.
        TimedOut {
            /// Its timeout.
            limit: Duration,
            /// Its run time, including the time to end it.
            after: Duration,
            /// True if it has ended. A process in uninterruptible sleep cannot be ended.
            ended: bool,
        } => ["timed out after " (limit: Limit) ", " (ended: Ended) " after " (after: Milliseconds)]
        /// A signal to the hook ended the script.
        Interrupted {
            /// The number of the signal to the hook.
            signal: i32,
            /// Its run time, including the time to end it.
            after: Duration,
        } => ["ended after " (after: Milliseconds) ", since the hook received signal " (signal: SignalNumber)]
        /// An operator ended it.
        Stopped {
            /// Its run time, including the time to end it.
            after: Duration,
        } => ["ended by virt-hooks stop after " (after: Milliseconds)]
        /// The filter exited with 0, and its output cannot be the domain's XML.
        FilterRejected {
            /// Its run time.
            after: Duration,
            /// The reason.
            reason: String,
        } => ["filter rejected, exited with 0 after " (after: Milliseconds) ": " (reason: Why)]
        /// The script runs in the background, and its outcome is recorded from there.
        HandedOver => ["goes to the background"]
        /// The script was switched off, or replaced by a VM's folder, between its inspection and its start.
        Ignored => ["ignored, switched off"]
        /// The script could not be started, or was refused.
        NotStarted {
            /// The reason and the fix.
            reason: String,
        } => ["not started: " (reason: Why)]
        /// The script is not executable; the specification has it logged and ignored.
        NotExecutable {
            /// The command that makes it executable.
            remedy: String,
        } => ["not executable, so it is ignored; to have it run: " (remedy: Text)]
    }
}

kinds! {
    /// Content of a record. Output is first, since most lines of a log are output.
    enum Message<'a> {
        /// A script printed a line.
        Output {
            /// The stream that it was printed to.
            stream: Printed,
            /// The line without its end.
            text: Cow<'a, [u8]>,
        } => [(stream: Stream) (text: Bytes)]
        /// A script runs.
        Started {
            /// Its process id.
            pid: u32,
            /// The arguments that it got.
            arguments: Vec<Cow<'a, [u8]>>,
        } => ["started as pid " (pid: Number) " with arguments " (arguments: Names)]
        /// A script has come to its end, or to none.
        Outcome {
            /// The outcome.
            outcome: Cow<'a, Outcome>,
        } => [(outcome: OfScript)]
        /// A script waits for its other run.
        Waiting {
            /// The other run and its owner.
            why: Cow<'a, str>,
        } => ["waits for its other run" (why: Why)]
        /// Its other run has ended.
        Waited {
            /// Time that it waited.
            after: Duration,
        } => ["its other run has ended, after " (after: Milliseconds)]
        /// A script has reached its deadline.
        DeadlineReached {
            /// Its timeout.
            limit: Duration,
            /// The running processes, and how they are ended.
            why: Cow<'a, str>,
        } => ["its " (limit: Limit) " are over; " (why: Why)]
        /// The hook received a signal while a script ran.
        Interrupting {
            /// The number of the signal.
            signal: i32,
            /// The running processes, and how they are ended.
            why: Cow<'a, str>,
        } => ["the hook received signal " (signal: SignalNumber) "; " (why: Why)]
        /// An operator ends a script.
        Stopping {
            /// The running processes, and how they are ended.
            why: Cow<'a, str>,
        } => ["virt-hooks stop; " (why: Why)]
        /// SIGTERM did not end a script.
        Killing {
            /// The processes that still ran.
            processes: Cow<'a, str>,
        } => ["sent SIGKILL to its remaining processes: " (processes: Text)]
        /// SIGKILL did not end a script.
        Unkillable {
            /// The processes that still run.
            why: Cow<'a, str>,
        } => ["not even SIGKILL ended it within a second" (why: Why)]
        /// A script has printed as much as is logged.
        OutputLimit {
            /// The limit, in bytes.
            limit: u64,
            /// The consequence for the rest.
            why: Cow<'a, str>,
        } => ["has reached maxOutputBytes (" (limit: Number) ")" (why: Why)]
        /// Some of a script's output was not logged.
        OutputDropped {
            /// Size of the output, in bytes.
            bytes: u64,
        } => ["not logged by maxOutputBytes: " (bytes: Number) " bytes"]
        /// A filter changed the domain's XML.
        XmlChanged => ["its output replaces the VM's XML"]
        /// A filter left the domain's XML as it was.
        XmlUnchanged => ["left the VM's XML as it was"]
        /// A script did not get its turn.
        Skipped {
            /// The reason.
            why: Cow<'a, str>,
        } => ["skipped: " (why: Why)]
        /// The operation is refused.
        Refused {
            /// Its name.
            operation: Cow<'a, [u8]>,
            /// The reason.
            why: Cow<'a, str>,
        } => [(operation: Name) " is refused, since " (why: Why)]
        /// An operator played the event: its first record.
        CalledByHand => ["called by hand, by virt-hooks run"]
        /// Scripts are paused.
        Paused {
            /// Its end, if it has one.
            until: Option<Cow<'a, str>>,
            /// The scripts that did not run.
            why: Cow<'a, str>,
        } => ["paused until " (until: Until) "; " (why: Why)]
        /// libvirt's driver has no such operation.
        InvalidOperation {
            /// Its name.
            operation: Cow<'a, [u8]>,
            /// The driver's.
            driver: Cow<'a, [u8]>,
            /// The consequence.
            why: Cow<'a, str>,
        } => [(operation: Name) " is not a valid libvirt " (driver: Name) " operation" (why: Why)]
        /// An error in this program ended the hook.
        Panicked {
            /// The failure.
            why: Cow<'a, str>,
        } => ["an error in virt-hooks itself ended the hook" (why: Why)]
        /// Records could not be written before this one.
        Lost {
            /// Their number.
            count: u64,
            /// The reason.
            why: Cow<'a, str>,
        } => ["records lost before this one: " (count: Number) ", since " (why: Why)]
        /// A forward was added.
        ForwardAdded {
            /// The forward.
            forward: Cow<'a, str>,
        } => ["added the forward " (forward: Text)]
        /// A forward was deleted.
        ForwardDeleted {
            /// The forward.
            forward: Cow<'a, str>,
        } => ["deleted the forward " (forward: Text)]
        /// A rehearsal would add a forward.
        ForwardPlanned {
            /// The forward.
            forward: Cow<'a, str>,
        } => ["would add the forward " (forward: Text)]
        /// A rehearsal would delete a forward.
        ForwardExpiring {
            /// The forward.
            forward: Cow<'a, str>,
        } => ["would delete the forward " (forward: Text)]
        /// A route was added.
        RouteAdded {
            /// The route.
            route: Cow<'a, str>,
        } => ["added the route " (route: Text)]
        /// A route was deleted.
        RouteDeleted {
            /// The route.
            route: Cow<'a, str>,
        } => ["deleted the route " (route: Text)]
        /// A rehearsal would add a route.
        RoutePlanned {
            /// The route.
            route: Cow<'a, str>,
        } => ["would add the route " (route: Text)]
        /// A rehearsal would delete a route.
        RouteExpiring {
            /// The route.
            route: Cow<'a, str>,
        } => ["would delete the route " (route: Text)]
        /// Connections through deleted forwards were cut.
        ConnectionsCut {
            /// Their number.
            count: u64,
        } => ["cut open connections: " (count: Number)]
        /// A forward or a route was refused, or the change of the network failed.
        NetworkFailed {
            /// The reason.
            why: Cow<'a, str>,
        } => ["networking: " (why: Why)]
        /// Anything else, for a person alone.
        Note {
            /// Its severity.
            level: Level,
            /// The text.
            text: Cow<'a, str>,
        } => ["note: " (level: OfLine) (text: Why)]
    }
}

impl Outcome {
    /// Appends it as it stands in a record.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_row(out);
    }

    /// The outcome that stands at the place of a message, if one does.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        Self::read_row(text)
    }
}

impl<'a> Message<'a> {
    /// Appends the message. A note that reads like another kind follows a word of its own.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self::Note { text, .. } = self else { return self.write_row(out) };
        let begin = out.len();
        Why::write(out, text);
        if out.get(begin..).and_then(Message::read_row).is_some() {
            out.truncate(begin);
            self.write_row(out);
        }
    }

    /// The message of a record of this level, as it stands there, escapes included. Text without the words of a kind is a
    /// note.
    pub fn read(level: Level, text: &'a [u8]) -> Self {
        match Self::read_row(text) {
            Some(Self::Note { text, .. }) => Self::Note { level, text },
            Some(message) if message.level() == level => message,
            _ => Self::Note { level, text: String::from_utf8_lossy(text) },
        }
    }

    /// Returns the severity of its record.
    pub fn level(&self) -> Level {
        match self {
            Self::Note { level, .. } => *level,
            Self::Outcome { outcome } => outcome.level(),
            Self::DeadlineReached { .. }
            | Self::Interrupting { .. }
            | Self::Stopping { .. }
            | Self::Killing { .. }
            | Self::OutputLimit { .. }
            | Self::OutputDropped { .. }
            | Self::Skipped { .. }
            | Self::Paused { .. }
            | Self::Lost { .. } => Level::Warn,
            Self::Unkillable { .. }
            | Self::Refused { .. }
            | Self::InvalidOperation { .. }
            | Self::Panicked { .. }
            | Self::NetworkFailed { .. } => Level::Error,
            _ => Level::Info,
        }
    }
}
