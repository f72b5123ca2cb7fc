use bytes::Buf;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::source::testing::Pond;

async fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Sends `pieces` to the next client and hangs up.
async fn send(listener: &TcpListener, pieces: &[&[u8]]) {
    let (mut client, _) = listener.accept().await.unwrap();
    for piece in pieces {
        client.write_all(piece).await.unwrap();
    }
}

#[tokio::test]
async fn lines_arrive_and_the_end_is_an_error_to_be_restarted_after() {
    let (listener, address) = server().await;
    let pond = Pond::<str>::new(None);
    let mut receiver = SocketReceiver::text(&address, SocketOptions::default());
    let pieces: [&[u8]; 3] = [b"one\ntw", b"o\r\nbr\xffken\n", b"last"];
    let (ended, ()) = tokio::join!(receiver.on_start(pond.store()), send(&listener, &pieces));
    let error = ended.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("the connection to {address} was closed by the peer")
    );

    let (ended, ()) = tokio::join!(
        receiver.on_start(pond.store()),
        send(&listener, &[b"again\n"])
    );
    assert!(ended.is_err());
    assert_eq!(
        pond.drain().await,
        ["one", "two", "br\u{fffd}ken", "last", "again"]
    );
}

#[tokio::test]
async fn many_lines_arrive_whole_and_in_order() {
    let (listener, address) = server().await;
    let pond = Pond::<str>::new(None);
    let mut receiver = SocketReceiver::text(&address, SocketOptions::default());
    let expected: Vec<String> = (0..200_000).map(|n| format!("line {n}")).collect();
    let text = expected.join("\n");
    let pieces = [text.as_bytes()];
    let (ended, ()) = tokio::join!(receiver.on_start(pond.store()), send(&listener, &pieces));
    assert!(ended.is_err());
    assert!(pond.drain().await == expected);
}

#[tokio::test]
async fn an_unreachable_address_is_named() {
    let (listener, address) = server().await;
    drop(listener);
    let pond = Pond::<str>::new(None);
    let mut receiver = SocketReceiver::text(&address, SocketOptions::default());
    let error = receiver
        .on_start(pond.store())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("can't connect to {address}: ")),
        "{error}"
    );
    assert_eq!(
        receiver.back_off().0,
        SocketOptions::default().reconnect_delay
    );
}

/// A length in one byte, then as many bytes, summed up.
struct Sums;

impl Converter for Sums {
    type Record = u64;

    fn convert(&mut self, buffer: &mut BytesMut) -> Result<Option<u64>, BoxError> {
        match buffer.first() {
            Some(0) => Err("a length of 0".into()),
            Some(&length) if buffer.len() > usize::from(length) => {
                buffer.advance(1);
                Ok(Some(
                    buffer
                        .split_to(length.into())
                        .iter()
                        .map(|&b| u64::from(b))
                        .sum(),
                ))
            }
            _ => Ok(None),
        }
    }
}

#[tokio::test]
async fn a_converter_makes_records_of_any_pieces() {
    let (listener, address) = server().await;
    let pond = Pond::<u64>::new(None);
    let mut receiver = SocketReceiver::with(&address, SocketOptions::default(), Sums);
    let pieces: [&[u8]; 3] = [&[2, 1], &[1, 3, 5, 5], &[5, 1, 9]];
    let (ended, ()) = tokio::join!(receiver.on_start(pond.store()), send(&listener, &pieces));
    assert!(
        ended
            .unwrap_err()
            .to_string()
            .ends_with("was closed by the peer")
    );

    let (ended, ()) = tokio::join!(
        receiver.on_start(pond.store()),
        send(&listener, &[&[1, 7, 2, 1]])
    );
    let error = ended.unwrap_err().to_string();
    assert!(
        error.ends_with("2 bytes at the end are no whole record"),
        "{error}"
    );

    let (ended, ()) = tokio::join!(
        receiver.on_start(pond.store()),
        send(&listener, &[&[1, 4, 0, 1]])
    );
    assert!(ended.unwrap_err().to_string().ends_with("a length of 0"));
    assert_eq!(pond.drain().await, [2, 15, 9, 7, 4]);
}

#[tokio::test]
async fn a_record_that_never_ends_is_an_error() {
    let (listener, address) = server().await;
    let pond = Pond::<u64>::new(None);
    let options = SocketOptions {
        max_line: 10,
        ..SocketOptions::default()
    };
    let mut receiver = SocketReceiver::with(&address, options, Sums);
    let (ended, ()) = tokio::join!(
        receiver.on_start(pond.store()),
        send(&listener, &[&[200; 50]])
    );
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("more than 10 bytes"), "{error}");
}
