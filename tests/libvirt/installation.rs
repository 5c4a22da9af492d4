//! When libvirt takes notice of a hook.

use testbed::eventually;

use crate::guest::Guest;
use crate::host::Host;
use crate::witness::STARTING;

#[test]
fn a_hook_placed_under_a_running_libvirtd_is_called_from_its_next_reload_on() {
    let host = Host::bare();
    let guest = Guest::named("i-2-10-VM");
    host.start_libvirtd();
    host.install_hook();

    host.create(&guest);
    host.destroy(&guest);
    assert!(!host.witnessed_anything());

    host.signal_libvirtd("HUP");
    // The reload is done in the background, and nothing but a call of the hook tells that it has been.
    eventually("libvirtd calls the hook", || {
        host.create(&guest);
        host.destroy(&guest);
        host.witnessed_anything()
    });
    host.forget();

    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);
    host.destroy(&guest);
    host.witnessed(&guest, &["stopped end -", "release end destroyed"]);
}
