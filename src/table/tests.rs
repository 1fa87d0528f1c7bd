use super::*;

struct Conn(Token, Fd, bool);

impl Client for Conn {
    fn token(&self) -> Token {
        self.0
    }
    fn socket(&self) -> &Fd {
        &self.1
    }
    fn into_socket(self) -> Fd {
        self.1
    }
    fn is_owed(&self) -> bool {
        self.2
    }
}

fn conn(owes: bool) -> (Conn, Fd) {
    let (socket, peer) = sys::socket_pair().unwrap();
    (Conn(Token::new(&socket), socket, owes), peer)
}

#[test]
fn a_connection_can_be_taken_once() {
    let (table, (c, _peer)) = (Table::new(), conn(false));
    let token = c.token();
    table.park(c, |_| Ok(()));
    let taken = table.take(token).unwrap();
    assert!(table.take(token).is_none(), "it is out");
    table.park(taken, |_| Ok(()));
    assert!(table.take(token).is_some());
}

#[test]
fn a_token_of_an_earlier_owner_finds_nothing() {
    let (table, (c, _peer)) = (Table::new(), conn(false));
    let (stale, fd) = (Token::new(&c.1), c.1.raw());
    table.park(c, |_| Ok(()));
    assert_eq!(stale.fd(), fd);
    assert!(table.take(stale).is_none());
}

#[test]
fn a_connection_that_cannot_be_armed_is_closed() {
    let (table, (c, peer)) = (Table::new(), conn(false));
    assert!(!table.park(c, |_| Err(io::Error::other("no"))));
    assert!(table.is_empty());
    assert_eq!(sys::read(&peer, &mut [0; 1]).unwrap(), 0, "the peer reads EOF");
}

#[test]
fn who_is_owed_nothing_can_be_taken_alone() {
    let table = Table::new();
    let ((idle, _a), (owed, _b)) = (conn(false), conn(true));
    let name = idle.token();
    table.park(idle, |_| Ok(()));
    table.park(owed, |_| Ok(()));
    let taken: Vec<Token> = table.take_idle().iter().map(Client::token).collect();
    assert_eq!(taken, [name]);
    assert_eq!(table.take_all().len(), 1);
}

#[test]
fn who_is_out_can_be_ended_from_outside() {
    let (table, (c, peer)) = (Table::new(), conn(false));
    let token = c.token();
    table.park(c, |_| Ok(()));
    let held = table.take(token).unwrap();
    assert_eq!(table.shut_down_the_rest(), 1);
    assert_eq!(sys::read(&peer, &mut [0; 1]).unwrap(), 0, "the peer reads EOF");
    table.close(held);
    assert!(table.is_empty());
}
