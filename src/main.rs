//! The program's entry: arguments and environment in, exit code out.

use std::env;
use std::process::ExitCode;

use kube_https_exporter::{cli, command};

fn main() -> ExitCode {
    let command = match cli::parse(env::args_os()) {
        Ok(command) => command,
        Err(error) => error.exit(),
    };
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("kube-https-exporter: another crypto provider is installed already");
        return ExitCode::FAILURE;
    }
    let environment = command::Environment {
        kubeconfig: env::var_os("KUBECONFIG"),
        home: env::home_dir(),
        notify_socket: env::var_os("NOTIFY_SOCKET"),
        says_threads: env::var_os("TOKIO_WORKER_THREADS").is_some(),
        no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
    };
    command::run(command, &environment)
}
