//! What a guest of the tests answers and asks: `peer serve NAME PROTOCOL ADDRESS`, `peer ask PROTOCOL ADDRESS`.
//!
//! It talks as `tests/network/traffic.rs` does: to each line it answers with its name and whom it sees. `prepare` builds it
//! for the guest, whose busybox knows no UDP.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_millis(1500);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", name, "tcp", address] => serve_tcp(name, &TcpListener::bind(address)?),
        ["serve", name, "udp", address] => serve_udp(name, &UdpSocket::bind(address)?),
        ["ask", protocol, address] => {
            match ask(protocol, address) {
                Ok(answer) => print!("{answer}"),
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => println!("timed out"),
                Err(error) => println!("refused: {error}"),
            }
            Ok(())
        }
        _ => Err(io::Error::other("peer serve NAME PROTOCOL ADDRESS | peer ask PROTOCOL ADDRESS")),
    }
}

fn serve_tcp(name: &str, listener: &TcpListener) -> io::Result<()> {
    loop {
        let (stream, from) = listener.accept()?;
        let name = name.to_owned();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut question = String::new();
            while stream.read_line(&mut question).is_ok_and(|count| count > 0) {
                if stream.get_mut().write_all(format!("{name} {from}\n").as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}

fn serve_udp(name: &str, socket: &UdpSocket) -> io::Result<()> {
    let mut question = [0; 200];
    loop {
        // What came back for an answer before is no question.
        let Ok((_, from)) = socket.recv_from(&mut question) else { continue };
        _ = socket.send_to(format!("{name} {from}\n").as_bytes(), from);
    }
}

fn ask(protocol: &str, address: &str) -> io::Result<String> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut answer = String::new();
    if protocol == "udp" {
        let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(b"?\n")?;
        let mut bytes = [0; 200];
        let count = socket.recv(&mut bytes)?;
        return Ok(String::from_utf8_lossy(&bytes[..count]).into_owned());
    }
    let mut stream = BufReader::new(TcpStream::connect_timeout(&address, PATIENCE)?);
    stream.get_ref().set_read_timeout(Some(PATIENCE))?;
    stream.get_mut().write_all(b"?\n")?;
    stream.read_line(&mut answer)?;
    Ok(answer)
}
