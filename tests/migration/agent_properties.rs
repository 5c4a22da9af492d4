//! `agent.properties` is read as Java reads it.

use testbed::host;

use crate::{agent_properties, becomes, port};

#[test]
fn agent_properties_are_read_as_java_reads_them() {
    let texts: [&[u8]; 25] = [
        b"\\\n# nothing was begun before this comment \\\nguest.network.device=cloudbr0\n",
        b"guest.network.device=cloudbr0",
        b"guest.network.device = cloudbr0\n",
        b"guest.network.device:cloudbr0\n",
        b"guest.network.device : cloudbr0\n",
        b"guest.network.device cloudbr0\n",
        b"guest.network.device\tcloudbr0\n",
        b"  \t\x0cguest.network.device=\t cloudbr0\n",
        // Java keeps a blank at the end; no device has one.
        b"guest.network.device=cloudbr0 \t \n",
        b"guest.network.device=cloudbr0\r\nzone=1\r\n",
        b"zone=1\rguest.network.device=cloudbr0\rpod=1\r",
        b"guest.network.device.mtu=1500\nguest.network.device=cloudbr0\n",
        b"my.guest.network.device=other\nguest.network.device=cloudbr0\n",
        b"guest.network.device=other\nguest.network.device=cloudbr0\n",
        b"guest.network.device=cloudbr0\n#guest.network.device=other\n! guest.network.device=other\n",
        b"# a comment has no continuation \\\nguest.network.device=cloudbr0\n",
        b"guest.network.\\\n     device=cloudbr0\n",
        b"guest.network.device=cloud\\\r\n\t  br0\n",
        b"guest.network.device=\\\ncloudbr0\n",
        b"guest.network.device\\\n  =cloudbr0\n",
        b"zone=a\\\\\nguest.network.device=cloudbr0\n",
        b"guest\\.network\\.device=cloud\\br0\n",
        b"guest.network.device=\\u0063loud\\u0062r\\u0030\n",
        b"zone=\xe4\xff\n\n   \nguest.network.device=cloudbr0\n",
        b"zone=\\u12\nguest.network.device=cloudbr0\\",
    ];
    for text in texts {
        let host = host!();
        agent_properties(&host, text);
        port(&host, "cloudbr0", "eth1", 1);
        port(&host, "other", "wrong", 1);
        eprintln!("{}", text.escape_ascii());
        becomes(&host, "cloudVirBr5", "breth1-5");
    }
}

#[test]
fn what_java_does_not_take_for_the_key_is_not_taken() {
    let texts: [&[u8]; 8] = [
        b"#guest.network.device=other\n",
        b"  ! guest.network.device=other\n",
        b"Guest.network.device=other\n",
        b"guest.network.device.mtu=other\n",
        b"guest.network=device=other\n",
        b"zone=a\\\nguest.network.device=other\n",
        b"guest.network.device\\ =other\n",
        b"guest.network.device\\=other\n",
    ];
    for text in texts {
        let host = host!();
        agent_properties(&host, text);
        port(&host, "other", "wrong", 1);
        // The agent's default.
        port(&host, "cloudbr1", "eth1", 1);
        eprintln!("{}", text.escape_ascii());
        becomes(&host, "cloudVirBr5", "breth1-5");
    }
}
