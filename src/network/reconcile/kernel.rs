//! The kernel's tables on this host, looked at and changed through the host's own programs, `nft` and `ip`, within a bound
//! on the time that all of it takes.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Deserialize;

use crate::kernel::nftables::{self, Family};
use crate::network::firewall::pass_through::{Refusal, Tools};
use crate::network::firewall::table::{self, Listing};
use crate::network::reconcile::diff::{KernelRoute, KernelState, Proxy};
use crate::paths::Paths;
use crate::process::{Supervisor, ToolError};

/// How long all that is done for a VM at an event may take. Of it each program has what is left.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest that one program is waited for.
const LONGEST: Duration = Duration::from_secs(10);

/// By which number this program's routes and proxies are known to the kernel (`ip route show proto 118`); Linux assigns none
/// above 99 but to well-known daemons (`include/uapi/linux/rtnetlink.h`), and 118 to nobody.
pub const ROUTE_PROTOCOL: &str = "118";

/// The kernel's tables.
#[derive(Debug)]
pub struct Kernel<'a> {
    programs: &'a mut Supervisor,
    paths: &'a Paths,
    end: Instant,
}

impl<'a> Kernel<'a> {
    /// Those of this host, for so long.
    pub fn of_this_host(programs: &'a mut Supervisor, paths: &'a Paths, timeout: Duration) -> Self {
        Self { programs, paths, end: Instant::now() + timeout }
    }

    /// Whoever calls the programs, and how long the next one may take.
    pub fn programs(&mut self) -> (&mut Supervisor, Duration) {
        let left = self.end.saturating_duration_since(Instant::now()).min(LONGEST);
        (self.programs, left)
    }

    /// What is in this program's table; nothing where there is none.
    ///
    /// # Errors
    /// Where nft is not there, or does not say.
    pub fn table(&mut self) -> Result<Option<Listing>, ToolError> {
        // Where the kernel does not tell, nft says why.
        if nftables::has_table(Family::Inet, "virt-hooks").is_ok_and(|there| !there) {
            return Ok(None);
        }
        let (programs, time) = self.programs();
        let text = programs.ask("nft", ["list", "table", "inet", "virt-hooks"], time)?;
        Ok(Some(table::read(&String::from_utf8_lossy(&text))))
    }

    /// The table without elements, in the words of this host's nft: it is made and listed where nobody sees it, in a network
    /// namespace that ends with it. Nothing where that can't be done.
    pub fn frame(&mut self) -> Option<String> {
        // nft shows no rules of a table that it has made in the same call.
        let both = "nft -f - && exec nft list table inet virt-hooks";
        let text = table::delta([], []);
        let (programs, time) = self.programs();
        let said = programs.tell("unshare", ["--net", "--", "sh", "-c", both], text.as_bytes(), time).ok()?;
        Some(table::read(&String::from_utf8_lossy(&said)).frame)
    }

    /// Carries out a transaction of nft's.
    ///
    /// # Errors
    /// Where it is refused; then nothing has been changed.
    pub fn transact(&mut self, transaction: &str) -> Result<(), ToolError> {
        let (programs, time) = self.programs();
        programs.tell("nft", ["-f", "-"], transaction.as_bytes(), time).map(drop)
    }

    /// This program's routes, and all proxies.
    ///
    /// # Errors
    /// Where `ip` is not there, or does not say.
    pub fn routing(&mut self) -> Result<KernelState, ToolError> {
        let mut seen = KernelState::default();
        for family in ["-4", "-6"] {
            let routes = ["-j", family, "route", "show", "proto", ROUTE_PROTOCOL];
            seen.routes.extend(self.ip::<Shown>(&routes)?.into_iter().filter_map(Shown::route));
            for shown in self.ip::<Shown>(&["-j", family, "neigh", "show", "proxy"])? {
                let is_lent = shown.protocol.as_deref() != Some(ROUTE_PROTOCOL);
                let Some(proxy) = shown.proxy() else { continue };
                if is_lent {
                    seen.third_party.insert(proxy.clone());
                }
                seen.proxies.insert(proxy);
            }
        }
        Ok(seen)
    }

    fn ip<T: for<'de> Deserialize<'de>>(&mut self, arguments: &[&str]) -> Result<Vec<T>, ToolError> {
        let (programs, time) = self.programs();
        let said = programs.ask("ip", arguments, time)?;
        if said.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_slice(&said)
            .map_err(|error| ToolError::Failed("ip".to_owned(), format!("says what can't be read: {error}")))
    }

    /// Puts routes and proxies in place, one after another.
    ///
    /// # Errors
    /// Where one is refused; then those before it are in place.
    pub fn add_routes(&mut self, new: &KernelState) -> Result<(), ToolError> {
        self.batch("add", new, &[])
    }

    /// Takes routes and proxies away. What is gone already, with its device, is not missed.
    ///
    /// # Errors
    /// Where `ip` is not there, or does not end.
    pub fn remove_routes(&mut self, gone: &KernelState) -> Result<(), ToolError> {
        match self.batch("del", gone, &["-force"]) {
            // It was not there.
            Err(ToolError::Complained(..) | ToolError::Failed(..)) => Ok(()),
            done => done,
        }
    }

    fn batch(&mut self, verb: &str, things: &KernelState, options: &[&str]) -> Result<(), ToolError> {
        let mut lines = String::new();
        for KernelRoute { to, device } in &things.routes {
            // Writing to a String can't fail.
            _ = writeln!(lines, "route {verb} {to} dev {device} proto {ROUTE_PROTOCOL}");
        }
        for Proxy { address, device } in &things.proxies {
            _ = writeln!(lines, "neigh {verb} proxy {address} dev {device} protocol {ROUTE_PROTOCOL}");
        }
        if lines.is_empty() {
            return Ok(());
        }
        let arguments = options.iter().chain(&["-batch", "-"]).map(OsString::from);
        let (programs, time) = self.programs();
        programs.tell("ip", arguments, lines.as_bytes(), time).map(drop)
    }

    /// Whether the host answers NDP for others on a device.
    pub fn proxies_ndp(&self, device: &str) -> bool {
        fs::read_to_string(self.proxy_ndp(device)).is_ok_and(|value| value.trim() != "0")
    }

    /// Has the host answer NDP for others on a device, or not.
    ///
    /// # Errors
    /// Where there is no such device, or it has no IPv6.
    pub fn set_ndp_proxy(&self, device: &str, enabled: bool) -> io::Result<()> {
        fs::write(self.proxy_ndp(device), if enabled { "1" } else { "0" })
    }

    fn proxy_ndp(&self, device: &str) -> PathBuf {
        self.paths.elsewhere("proc/sys/net/ipv6/conf").join(device).join("proxy_ndp")
    }
}

impl Tools for Kernel<'_> {
    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, Refusal> {
        let (programs, time) = self.programs();
        programs.tell(program, arguments, input.as_bytes(), time).map_err(|tool_error| match tool_error {
            ToolError::Missing(program) => Refusal::Missing(program),
            other => Refusal::Failed(other.to_string()),
        })
    }

    fn read(&mut self, path: &str) -> io::Result<String> {
        fs::read_to_string(path)
    }
}

/// A route or a proxy as `ip -j` shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    dst: String,
    dev: Option<String>,
    protocol: Option<String>,
}

impl Shown {
    fn route(self) -> Option<KernelRoute> {
        let to = self.dst.parse::<IpNet>().ok().or_else(|| self.dst.parse::<IpAddr>().ok().map(IpNet::from))?;
        Some(KernelRoute { to, device: self.dev? })
    }

    fn proxy(self) -> Option<Proxy> {
        Some(Proxy { address: self.dst.parse().ok()?, device: self.dev? })
    }
}
