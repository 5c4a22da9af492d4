//! What holds for whatever arguments libvirt passes and whatever files stand in `custom/`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use virt_hooks::domain::LiveXml;
use virt_hooks::driver::{Event, QEMU};
use virt_hooks::paths::Paths;
use virt_hooks::script::{is_leftover, order, rest_for};

/// Takes the text for a domain's name, an operation and names of files, one a NUL apart.
pub(crate) fn lead_nowhere_else(text: &[u8]) {
    let words: Vec<&[u8]> = text.split(|&byte| byte == 0).collect();
    let arguments: Vec<OsString> = words.iter().map(|word| OsString::from_vec(word.to_vec())).collect();
    let event = Event::parse(&QEMU, arguments.clone());
    assert_eq!(event.is_some(), arguments.len() >= Event::ARGUMENTS);
    if let Some(event) = event {
        assert_eq!(event.arguments(), arguments);
        let named = QEMU.operations.iter().copied().find(|operation| operation.name() == event.operation_name());
        assert_eq!(event.operation(), named);
        let paths = Paths::under(Path::new("/root"));
        if let Some(own) = paths.custom_of(event.domain()) {
            assert_eq!(own.parent(), Some(paths.custom()), "a domain's folder stands in custom/");
            assert_eq!(own.file_name(), Some(event.domain()));
        }
        let live = LiveXml::of(paths.state(), &event.object()).map(|live| live.path());
        assert!(
            live.is_none_or(|place| place.parent() == Some(&paths.state().join("qemu/live"))),
            "its XML stands in live/"
        );
    }
    for name in &words {
        for &operation in QEMU.operations {
            let Some(rest) = rest_for(operation, name) else { continue };
            let with = |prefix: &str| [prefix.as_bytes(), b"_", rest].concat();
            assert!(!rest.is_empty() && !is_leftover(name));
            assert!(*name == with(operation.name()) || *name == with("all"));
        }
    }
    for pair in words.windows(3) {
        if let [a, b, c] = pair {
            assert_eq!(order(a, b), order(b, a).reverse());
            assert_eq!(order(a, b).is_eq(), a == b);
            if order(a, b).is_lt() && order(b, c).is_lt() {
                assert!(order(a, c).is_lt());
            }
        }
    }
}
