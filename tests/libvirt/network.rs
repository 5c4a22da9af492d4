//! Declared networking under a real libvirt: a real guest on libvirt's own NAT network, which refuses whatever is for it from
//! outside, and clients on other hosts.

mod changes;
mod refusals;
mod rows;
mod town;
