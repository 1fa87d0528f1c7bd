//! The floor: what the kernel alone costs. One thread, one epoll, level-triggered;
//! it looks for the empty line that ends a request's head and writes the same
//! bytes for each. No parsing, no routes, no limits, no time: not a server, but
//! no server on this kernel can do with less.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("floor: not here: it is written for epoll (Linux)");
    std::process::exit(1);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, ErrorKind, Read, Write};
    use std::net::TcpStream;

    use peers::{announce, bind, fixed_answer};
    use rustix::buffer::spare_capacity;
    use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

    /// The listener's token; a client's is its place in the list.
    const LISTENER: u64 = u64::MAX;

    struct Client {
        stream: TcpStream,
        /// How much of `\r\n\r\n` the last read ended with.
        seen: usize,
    }

    pub fn main() -> io::Result<()> {
        let listener = bind()?;
        listener.set_nonblocking(true)?;
        // std listens with a short accept queue; listen(2) again makes it longer.
        rustix::net::listen(&listener, 4096)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        announce(listener.local_addr()?)?;

        let answer = fixed_answer();
        let mut clients: Vec<Option<Client>> = Vec::new();
        let mut free: Vec<usize> = Vec::new();
        let mut events = Vec::with_capacity(256);
        let (mut input, mut output) = (vec![0; 16 * 1024], Vec::new());
        loop {
            events.clear();
            match epoll::wait(&epoll, spare_capacity(&mut events), None) {
                Err(rustix::io::Errno::INTR) => continue,
                waited => waited?,
            };
            for event in &events {
                if event.data.u64() == LISTENER {
                    while let Ok((stream, _)) = listener.accept() {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        let place = free.pop().unwrap_or(clients.len());
                        let token = EventData::new_u64(place as u64);
                        epoll::add(&epoll, &stream, token, EventFlags::IN)?;
                        if place == clients.len() {
                            clients.push(None);
                        }
                        clients[place] = Some(Client { stream, seen: 0 });
                    }
                    continue;
                }
                let place = event.data.u64() as usize;
                let Some(client) = clients[place].as_mut() else { continue };
                if serve(client, answer.as_bytes(), &mut input, &mut output).is_err() {
                    clients[place] = None; // closing takes it out of the epoll
                    free.push(place);
                }
            }
        }
    }

    /// One read, one write. An error means: close.
    fn serve(
        client: &mut Client,
        answer: &[u8],
        input: &mut [u8],
        output: &mut Vec<u8>,
    ) -> io::Result<()> {
        let n = match client.stream.read(input) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            read => read?,
        };
        output.clear();
        for &byte in &input[..n] {
            client.seen = match (client.seen, byte) {
                (0 | 2, b'\r') | (1 | 3, b'\n') => client.seen + 1,
                (_, b'\r') => 1,
                _ => 0,
            };
            if client.seen == 4 {
                output.extend_from_slice(answer);
                client.seen = 0;
            }
        }
        // A client that does not read its answers is no concern of the floor.
        client.stream.write_all(output)
    }
}
