//! The admin port: bound here, or handed over by the service manager (`tidemill@.socket`), which has held it since
//! before the start, so that clients wait through a restart instead of being refused.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use tidemill_config::Pipeline;

use super::super::error::{CliError, Result};

/// The port to answer on, if there is to be one, with its address. One that is handed over goes before
/// `admin.listen`.
pub(super) fn listener(pipeline: &Pipeline) -> Result<Option<(TcpListener, SocketAddr)>> {
    match ListenFd::from_env().take_tcp_listener(0) {
        Ok(Some(listener)) => handed_over(listener, pipeline).map(Some),
        Ok(None) => pipeline.admin.listen.map(bind).transpose(),
        Err(error) => Err(CliError::Failed(format!(
            "the socket that was handed over can't be listened on: {error}; it must be a TCP socket, as \
             ListenStream=127.0.0.1:4040 makes one"
        ))),
    }
}

fn handed_over(listener: TcpListener, pipeline: &Pipeline) -> Result<(TcpListener, SocketAddr)> {
    let address = listener
        .local_addr()
        .map_err(|error| CliError::Failed(format!("the socket that was handed over: {error}")))?;
    may_listen(address, pipeline.admin.is_protected())?;
    match pipeline.admin.listen {
        Some(listen) if listen != address => tracing::info!(
            "the service manager hands {address} over, which goes before admin.listen = {listen}"
        ),
        _ => tracing::info!("the service manager hands {address} over"),
    }
    Ok((listener, address))
}

/// The same rule that a pipeline's own address is held to.
fn may_listen(address: SocketAddr, has_token: bool) -> Result<()> {
    match has_token || address.ip().is_loopback() {
        true => Ok(()),
        false => Err(CliError::Usage(format!(
            "the socket that was handed over is at {address}, which isn't a loopback address, so \
             admin.token_file is required: name a file with a token, or have the socket unit listen on 127.0.0.1"
        ))),
    }
}

/// Binds the admin port; with port 0 the system chooses one.
fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| {
        CliError::Failed(format!(
            "can't listen on {address}: {error}; choose another address with --set admin.listen=HOST:PORT"
        ))
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outside_is_listened_to_only_with_a_token() {
        let (inside, outside) = ("127.0.0.1:80".parse(), "0.0.0.0:80".parse());
        assert!(may_listen(inside.unwrap(), false).is_ok());
        let outside = outside.unwrap();
        assert!(may_listen(outside, true).is_ok());
        let refused = may_listen(outside, false).unwrap_err();
        assert!(
            refused.to_string().contains("admin.token_file"),
            "{refused}"
        );
    }
}
