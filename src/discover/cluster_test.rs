//! Tests of where a cluster is found, and of the messages when it is not.

use std::fs;

use super::*;

const ONE: &str = r#"
apiVersion: v1
kind: Config
clusters:
  - {name: c1, cluster: {server: "https://192.0.2.1:6443", insecure-skip-tls-verify: true}}
  - {name: c2, cluster: {server: "https://[2001:db8::1]", tls-server-name: kubernetes, proxy-url: "http://192.0.2.99:3128"}}
users:
  - {name: u, user: {token: hush}}
contexts:
  - {name: one, context: {cluster: c1, user: u, namespace: trade}}
  - {name: two, context: {cluster: c2, user: u}}
  - {name: broken, context: {cluster: missing, user: u}}
current-context: one
"#;

/// A folder of its own that goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("discover-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn flag(path: &Path, context: Option<&str>) -> Search {
    Search::new(
        Some(path.to_owned()),
        context.map(str::to_owned),
        None,
        None,
    )
}

async fn message(search: Search) -> String {
    search.find().await.unwrap_err().to_string()
}

#[tokio::test]
async fn the_current_context_is_taken_unless_another_is_asked_for() {
    let folder = Folder::new("contexts");
    let path = folder.file("config", ONE);
    let cluster = flag(&path, None).find().await.unwrap();
    assert_eq!(
        (&*cluster.context, &*cluster.host, cluster.port),
        ("one", "192.0.2.1", 6443)
    );
    assert_eq!(cluster.default_namespace, "trade");
    assert!(cluster.https && cluster.skip_verify && cluster.ca.is_empty());

    let cluster = flag(&path, Some("two")).find().await.unwrap();
    assert_eq!(
        (&*cluster.context, &*cluster.host, cluster.port),
        ("two", "2001:db8::1", 443)
    );
    assert_eq!(cluster.tls_server_name.as_deref(), Some("kubernetes"));
    assert!(!cluster.skip_verify);
}

#[tokio::test]
async fn an_unknown_context_is_refused_with_those_there_are() {
    let folder = Folder::new("unknown");
    let path = folder.file("config", ONE);
    let expected = format!(
        "no context \"tow\" in the kubeconfig {}; it has one, two, broken",
        path.display()
    );
    assert_eq!(message(flag(&path, Some("tow"))).await, expected);
}

#[tokio::test]
async fn no_current_context_is_refused_with_those_there_are() {
    let folder = Folder::new("current");
    let path = folder.file("config", &ONE.replace("current-context: one", ""));
    let expected = format!(
        "no current-context in the kubeconfig {}; choose with --context: one, two, broken",
        path.display()
    );
    assert_eq!(message(flag(&path, None)).await, expected);
}

#[tokio::test]
async fn a_context_whose_cluster_is_missing_names_the_file() {
    let folder = Folder::new("broken");
    let path = folder.file("config", ONE);
    let expected = format!(
        "cannot use the kubeconfig {}: failed to load the cluster of context: missing",
        path.display()
    );
    assert_eq!(message(flag(&path, Some("broken"))).await, expected);
}

#[tokio::test]
async fn a_file_that_was_asked_for_must_be_there() {
    let expected =
        "cannot use the kubeconfig /nonexistent/config: No such file or directory (os error 2)";
    assert_eq!(
        message(flag(Path::new("/nonexistent/config"), None)).await,
        expected
    );
}

#[tokio::test]
async fn a_file_that_is_not_a_kubeconfig_is_refused_without_quoting_its_secrets() {
    let folder = Folder::new("yaml");
    let path = folder.file("config", &ONE.replace("{token: hush}", "{token: hush"));
    let message = message(flag(&path, None)).await;
    let expected = format!(
        "cannot use the kubeconfig {}: not valid YAML for a kubeconfig at line ",
        path.display()
    );
    assert!(
        message.starts_with(&expected) && !message.contains("hush"),
        "{message}"
    );
}

#[tokio::test]
async fn no_kubeconfig_and_no_pod_is_no_cluster() {
    let none = Search::new(
        None,
        None,
        Some(OsStr::new("/nonexistent")),
        Some(Path::new("/home/nobody")),
    );
    let expected = "no cluster: no kubeconfig at /nonexistent, and not in a pod (KUBERNETES_SERVICE_HOST is not set)";
    assert!(matches!(
        none.find().await,
        Err(ClusterError::NoCluster { .. })
    ));
    assert_eq!(message(none).await, expected);
}

#[tokio::test]
async fn a_context_that_was_asked_for_needs_a_kubeconfig() {
    let search = Search::new(
        None,
        Some("one".into()),
        Some(OsStr::new("/nonexistent")),
        None,
    );
    let expected = "no context \"one\" in the kubeconfig /nonexistent; it has none";
    assert_eq!(message(search).await, expected);
}

#[tokio::test]
async fn an_empty_kubeconfig_is_none() {
    let folder = Folder::new("empty");
    let path = folder.file("config", "");
    let search = Search::new(None, None, Some(path.as_os_str()), None);
    assert!(matches!(
        search.find().await,
        Err(ClusterError::NoCluster { .. })
    ));
}

#[tokio::test]
async fn the_files_of_the_variable_are_merged_and_the_first_one_stands() {
    let folder = Folder::new("merge");
    let first = folder.file("first", "current-context: two\n");
    let second = folder.file("second", ONE);
    let listed = format!("{}::/nonexistent:{}", first.display(), second.display());
    let search = Search::new(
        None,
        None,
        Some(OsStr::new(&listed)),
        Some(Path::new("/home/nobody")),
    );
    assert_eq!(&*search.find().await.unwrap().context, "two");
}

#[tokio::test]
async fn without_the_variable_the_home_folder_is_looked_in() {
    let folder = Folder::new("home");
    fs::create_dir_all(folder.0.join(".kube")).unwrap();
    folder.file(".kube/config", ONE);
    for variable in [None, Some(OsStr::new(""))] {
        let search = Search::new(None, None, variable, Some(&folder.0));
        assert_eq!(&*search.find().await.unwrap().context, "one");
    }
}

#[tokio::test]
async fn certificate_authorities_are_taken_from_the_kubeconfig() {
    let folder = Folder::new("ca");
    let ca = rcgen::generate_simple_self_signed(["ca.example".to_owned()])
        .unwrap()
        .cert;
    folder.file("ca.pem", &ca.pem());
    let with_ca = ONE.replace(
        "insecure-skip-tls-verify: true",
        "certificate-authority: ca.pem",
    );
    let path = folder.file("config", &with_ca);
    let cluster = flag(&path, None).find().await.unwrap();
    assert_eq!(cluster.ca, [ca.der().clone()]);
}
