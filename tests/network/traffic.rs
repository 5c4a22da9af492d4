//! Services and their clients: what is sent from one machine to another, and who answers.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use virt_hooks::kernel::address::Protocol;

use crate::machine::Machine;

/// How long an answer is waited for. None comes where packets are dropped.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// How often a service looks whether it is to end.
const INTERVAL: Duration = Duration::from_millis(20);

/// What comes of asking a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The service of this name answers.
    By(String),
    /// Something answers that nothing is there, or that it is forbidden.
    Refused,
    /// Nothing answers.
    TimedOut,
}

/// The answer of the service of this name.
pub(crate) fn by(name: &str) -> Answer {
    Answer::By(name.to_owned())
}

/// A service, until it is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A connection with a service, over which it has been heard.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    /// The service's name.
    pub(crate) by: String,
    /// The address that the service sees.
    pub(crate) seen_as: SocketAddr,
}

#[derive(Debug)]
enum Socket {
    Tcp(BufReader<TcpStream>),
    Udp(UdpSocket),
}

impl Machine {
    /// Has a service listen there, which tells everybody who asks the machine's name.
    #[track_caller]
    pub(crate) fn serves(&self, protocol: Protocol, address: &str) -> Service {
        self.serves_as(self.name(), protocol, address)
    }

    /// Has a service listen there, which tells everybody who asks this name.
    #[track_caller]
    pub(crate) fn serves_as(&self, name: &'static str, protocol: Protocol, address: &str) -> Service {
        let end = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&end);
        let thread = match protocol {
            Protocol::Tcp => {
                let listener = self.within(|| TcpListener::bind(address)).unwrap();
                thread::spawn(move || serve_tcp(name, &listener, &ends))
            }
            Protocol::Udp => {
                let socket = self.within(|| UdpSocket::bind(address)).unwrap();
                thread::spawn(move || serve_udp(name, &socket, &ends))
            }
        };
        Service { end, thread: Some(thread) }
    }

    /// What comes of asking there.
    #[track_caller]
    pub(crate) fn asks(&self, protocol: Protocol, address: &str) -> Answer {
        match self.try_connect(protocol, address) {
            Ok(connection) => Answer::By(connection.by),
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Answer::TimedOut,
            // A REJECT of a firewall may come as any of them.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionReset
                        | ErrorKind::HostUnreachable
                        | ErrorKind::NetworkUnreachable
                        | ErrorKind::PermissionDenied
                ) =>
            {
                Answer::Refused
            }
            Err(error) => panic!("{} to {protocol} {address}: {error}", self.name()),
        }
    }

    /// A connection that stays, with a service that has to answer.
    #[track_caller]
    pub(crate) fn connects(&self, protocol: Protocol, address: &str) -> Connection {
        let connection = self.try_connect(protocol, address);
        connection.unwrap_or_else(|error| panic!("{} to {protocol} {address}: {error}", self.name()))
    }

    fn try_connect(&self, protocol: Protocol, address: &str) -> io::Result<Connection> {
        let address: SocketAddr = address.parse().unwrap();
        let mut socket = self.within(|| match protocol {
            Protocol::Tcp => {
                TcpStream::connect_timeout(&address, TIMEOUT).map(|stream| Socket::Tcp(BufReader::new(stream)))
            }
            Protocol::Udp => {
                let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(address)?;
                Ok(Socket::Udp(socket))
            }
        })?;
        let answer = socket.asks()?;
        let (by, seen_as) = answer.trim_end().split_once(' ').unwrap();
        Ok(Connection { by: by.to_owned(), seen_as: seen_as.parse().unwrap(), socket })
    }
}

impl Connection {
    /// Whether what is sent on it reaches the service, and its answer comes back.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.socket.asks().is_ok_and(|answer| answer == format!("{} {}\n", self.by, self.seen_as))
    }
}

impl Socket {
    fn asks(&mut self) -> io::Result<String> {
        let mut answer = String::new();
        match self {
            Self::Tcp(stream) => {
                stream.get_ref().set_read_timeout(Some(TIMEOUT))?;
                stream.get_mut().write_all(b"?\n")?;
                if stream.read_line(&mut answer)? == 0 {
                    return Err(ErrorKind::ConnectionReset.into());
                }
            }
            Self::Udp(socket) => {
                socket.set_read_timeout(Some(TIMEOUT))?;
                socket.send(b"?\n")?;
                let mut bytes = [0; 200];
                let count = socket.recv(&mut bytes)?;
                answer = String::from_utf8_lossy(bytes.get(..count).unwrap()).into_owned();
            }
        }
        Ok(answer)
    }
}

fn serve_tcp(name: &'static str, listener: &TcpListener, end: &Arc<AtomicBool>) {
    listener.set_nonblocking(true).unwrap();
    let mut clients = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let Ok((stream, from)) = listener.accept() else {
            thread::sleep(INTERVAL);
            continue;
        };
        let end = Arc::clone(end);
        clients.push(thread::spawn(move || answer_tcp(name, from, stream, &end)));
    }
    for client in clients {
        // What has become of a client is not the service's to tell.
        _ = client.join();
    }
}

fn answer_tcp(name: &str, from: SocketAddr, stream: TcpStream, end: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(INTERVAL)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut question = String::new();
    while !end.load(Ordering::Relaxed) {
        match stream.read_line(&mut question) {
            Ok(0) => return,
            Ok(_) if stream.get_mut().write_all(format!("{name} {from}\n").as_bytes()).is_err() => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

fn serve_udp(name: &str, socket: &UdpSocket, end: &AtomicBool) {
    socket.set_read_timeout(Some(INTERVAL)).unwrap();
    let mut question = [0; 200];
    while !end.load(Ordering::Relaxed) {
        if let Ok((_, from)) = socket.recv_from(&mut question) {
            // A client that has gone hears no answer.
            _ = socket.send_to(format!("{name} {from}\n").as_bytes(), from);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Whatever kept it from serving has failed the test already.
            _ = thread.join();
        }
    }
}
