//! What is typed, and what is made of it.

use super::*;
use clap::error::ErrorKind;

fn typed(line: &str) -> Result<Command, clap::Error> {
    let words = format!("kube-https-exporter {line}");
    parse(
        words
            .split_whitespace()
            .map(OsString::from)
            .collect::<Vec<_>>(),
    )
}

fn serve(line: &str) -> Serve {
    match typed(line).unwrap() {
        Command::Serve(serve) => serve,
        other => panic!("{other:?}"),
    }
}

fn check(line: &str) -> Check {
    match typed(line).unwrap() {
        Command::Check(check) => check,
        other => panic!("{other:?}"),
    }
}

fn refusal(line: &str) -> String {
    let error = typed(line).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{line}");
    error.to_string()
}

#[test]
fn the_definitions_do_not_contradict_each_other() {
    definition().debug_assert();
}

#[test]
fn serve_is_the_default_and_takes_its_flags_with_and_without_its_name() {
    assert_eq!(serve(""), serve("serve"));
    let flags = "--config.file a.yaml --config.check --web.telemetry-path /m -n shop";
    assert_eq!(serve(flags), serve(&format!("serve {flags}")));
    assert_eq!(serve(flags).config.config_file, Some("a.yaml".into()));
    assert!(serve(flags).config_check);
}

#[test]
fn what_is_not_typed_has_its_default() {
    let serve = serve("");
    assert_eq!(serve.web.listen_addresses, [":10043".parse().unwrap()]);
    assert_eq!(serve.web.telemetry_path, "/metrics");
    assert!(serve.web.inventory);
    assert_eq!((serve.log.level, serve.log.format), (None, Format::Logfmt));
    assert_eq!(serve.config.config_file, None);
    assert!(!serve.config_check);
    assert_eq!(check("check").fail_on, FailOn::Severity(Severity::Critical));
}

#[test]
fn the_inventory_is_off_where_that_is_said() {
    assert!(!serve("--web.inventory=false").web.inventory);
    assert!(serve("--web.inventory").web.inventory);
    assert!(refusal("--web.inventory=no").contains("true, false"));
}

#[test]
fn an_address_to_listen_at_is_read_in_every_form_and_shown_as_it_was() {
    for text in [":10043", "localhost:80", "127.0.0.1:0", "[::1]:65535"] {
        let listen: Listen = text.parse().unwrap();
        assert_eq!(listen.to_string(), text);
    }
    let two = serve("--web.listen-address :1 --web.listen-address=[::1]:2").web;
    assert_eq!(
        two.listen_addresses,
        [":1".parse().unwrap(), "[::1]:2".parse().unwrap()]
    );
    for text in [
        "10043",
        "localhost",
        ":",
        ":65536",
        "::1:80",
        "[x]:1",
        "http://a:1",
        ":http",
    ] {
        assert!(text.parse::<Listen>().is_err(), "{text}");
    }
}

#[test]
fn namespaces_are_repeated_or_separated_by_commas_and_outrank_the_configuration() {
    let configured = || vec!["bank".to_owned()];
    let chosen = |line| serve(line).cluster.namespaces(configured());
    assert_eq!(chosen("-n a,b --namespace c"), ["a", "b", "c"]);
    assert_eq!(chosen(""), ["bank"]);
    assert!(chosen("-A").is_empty());
    assert!(refusal("-n a -A").contains("cannot be used with"));
    assert!(refusal("-n Shop").contains("namespace"));
    assert!(refusal("-n a,,b").contains("namespace"));
}

#[test]
fn a_check_takes_hosts_and_its_own_flags() {
    let check = check("check shop.example.com [2001:db8::1]:8443 -o table --fail-on never");
    let hosts: Vec<(&str, u16)> = check.hosts.iter().map(|h| (&*h.host, h.port)).collect();
    assert_eq!(hosts, [("shop.example.com", 443), ("2001:db8::1", 8443)]);
    assert_eq!(check.fail_on, FailOn::Never);
}

#[test]
fn hosts_that_start_in_clear_are_checked_by_their_protocol() {
    for protocol in StartTls::ALL {
        let line = format!("check a.example:25 --starttls {}", protocol.label());
        assert_eq!(check(&line).starttls, Some(protocol));
    }
    assert_eq!(check("check a.example:25").starttls, None);
    assert!(refusal("check --starttls smtp").contains("HOST[:PORT]"));
    assert!(refusal("check a.example:25 --starttls smtps").contains("smtp"));
}

#[test]
fn every_severity_can_fail_a_check() {
    for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
        let line = format!("check --fail-on {}", severity.label());
        assert_eq!(check(&line).fail_on, FailOn::Severity(severity));
    }
}

#[test]
fn a_check_can_be_narrowed_and_compared() {
    let check = check(
        "check -o sarif -v --source ingress,gateway --host *.example --severity warning \
         --baseline old.json --allow-unprobed",
    );
    assert_eq!((check.output, check.verbose), (Output::Sarif, true));
    let only = Only {
        source: vec!["ingress".into(), "gateway".into()],
        host: vec!["*.example".into()],
        severity: Some(Severity::Warning),
    };
    assert_eq!(check.only, only);
    assert_eq!(check.baseline, Some("old.json".into()));
    assert!(check.allow_unprobed);
    assert!(refusal("check --explain x a.example").contains("--explain"));
}

#[test]
fn as_a_plugin_of_kubectl_it_checks() {
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    for name in [
        "kubectl-https",
        "/usr/local/bin/kubectl-https",
        "kubectl-https.exe",
    ] {
        let typed = parse(words(&format!("{name} -n shop --context prod -o wide"))).unwrap();
        let same = "check -n shop --context prod -o wide";
        assert_eq!(typed, Command::Check(check(same)), "{name}");
    }
    let help = parse(words("kubectl-https --help"))
        .unwrap_err()
        .to_string();
    assert!(help.contains("Usage: kubectl https [OPTIONS]"), "{help}");
}

#[test]
fn the_demo_takes_the_web_and_the_log_flags_only() {
    let demo = typed("demo --web.listen-address :1 --log.level debug --log.format json");
    assert!(matches!(demo.unwrap(), Command::Demo(_)));
    assert!(refusal("demo --kubeconfig x").contains("--kubeconfig"));
}

#[test]
fn a_path_that_is_taken_or_odd_is_refused() {
    for path in [
        "metrics", "/", "/sd", "/-/ready", "/api/v1", "/{x}", "/a?b", "/a//b", "/a*",
    ] {
        refusal(&format!("--web.telemetry-path {path}"));
    }
    assert_eq!(
        serve("--web.telemetry-path /a/b.c").web.telemetry_path,
        "/a/b.c"
    );
}

#[test]
fn a_shard_knows_its_number_or_its_pods_name() {
    let one = |line| serve(line).shard.ordinal;
    assert_eq!(one(""), None);
    assert_eq!(one("--shard.count 3 --shard.ordinal 2"), Some(2));
    assert_eq!(one("--shard.ordinal kube-https-exporter-12"), Some(12));
    for odd in ["exporter", "exporter-", "-1x", "exporter-7d9f"] {
        let refused = refusal(&format!("--shard.ordinal={odd}"));
        assert!(
            refused.contains("a pod's name that ends in one"),
            "{refused}"
        );
    }
    assert!(refusal("--shard.count 0").contains("--shard.count"));
}

#[test]
fn wrong_usage_says_what_is_wrong() {
    assert!(refusal("--config.fil x").contains("'--config.file'"));
    assert!(refusal("chek").contains("'check'"));
    assert!(refusal("check https://a.example").contains("not a URL: `a.example`"));
    assert!(refusal("check a:0").contains("a port from 1 to 65535"));
    assert!(refusal("check -o html").contains("table"));
    assert!(refusal("check a -n shop").contains("cannot be used with"));
    assert!(refusal("demo --web.enable-lifecycle").contains("unexpected argument"));
    assert!(refusal("--log.level loud").contains("error, warn, info, debug"));
}

#[test]
fn the_version_names_the_program() {
    let shown = typed("--version").unwrap_err();
    assert_eq!(shown.kind(), ErrorKind::DisplayVersion);
    assert_eq!(shown.exit_code(), 0);
    let expected = format!("kube-https-exporter {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(shown.to_string(), expected);
}

#[test]
fn every_help_fits_a_terminal_of_80_columns_and_hides_what_is_not_for_users() {
    let mut program = Arguments::command().term_width(80);
    program.build();
    let own = program.render_help().to_string();
    assert!(!own.contains("gen"), "{own}");
    for command in program.get_subcommands_mut() {
        let help = command.clone().term_width(80).render_help().to_string();
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{help}"
        );
    }
    assert!(own.lines().all(|line| line.chars().count() <= 80), "{own}");
}

#[test]
fn the_prefix_is_that_of_the_external_url_unless_it_is_typed() {
    let prefix = |line: &str| serve(line).web.prefix().to_owned();
    assert_eq!(prefix(""), "");
    assert_eq!(prefix("--web.external-url https://tools.example.com"), "");
    assert_eq!(
        prefix("--web.external-url https://tools.example.com:8443/tls/"),
        "/tls"
    );
    let stripped = "--web.external-url https://tools.example.com/tls --web.route-prefix /";
    assert_eq!(prefix(stripped), "");
    assert_eq!(prefix("--web.route-prefix /a/b.c/"), "/a/b.c");
    for path in ["tls", "//", "/a//b", "/a?b", "/{a}"] {
        refusal(&format!("--web.route-prefix {path}"));
    }
    for url in [
        "tools.example.com",
        "ftp://a/b",
        "https:///b",
        "https://a/b?c",
        "https://a:0/",
    ] {
        refusal(&format!("--web.external-url {url}"));
    }
}
