//! A cluster small enough for one test: a real kube-apiserver on a real etcd, on this machine,
//! without controllers and nodes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject};
use kube_https_exporter::discover::rbac::{Grant, rules};
use kube_https_exporter::discover::{SOURCES, Search};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::ca::{CA, Ca, Leaf};
use crate::process::{Site, command, free_port};

/// Between two looks at whether the API server is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many looks it is given: 60 s; it takes 3 s alone on two cores.
const LOOKS: u32 = 600;

/// The administrator's token, of the group that may do everything.
const ADMIN: &str = "admin-token";

/// The namespace of the tests' service accounts.
pub(crate) const MONITORING: &str = "monitoring";

/// A running cluster. Its processes are killed, and its folder removed, when the value goes.
pub(crate) struct Cluster {
    etcd: Child,
    api_server: Child,
    etcd_port: u16,
    /// Of the API server.
    pub(crate) address: SocketAddr,
    site: Site,
    /// The administrator.
    client: kube::Client,
}

impl Cluster {
    /// Starts one, and waits until it answers.
    pub(crate) async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST).await
    }

    /// Starts one whose API server is at this address of this machine. It publishes the address
    /// itself, but for loopback, which it refuses to publish.
    pub(crate) async fn start_at(address: Ipv4Addr) -> Self {
        Self::start_with(address, None).await
    }

    /// Starts one whose API server has this certificate, rather than make one itself.
    pub(crate) async fn start_as(leaf: &Leaf) -> Self {
        Self::start_with(Ipv4Addr::LOCALHOST, Some(leaf)).await
    }

    async fn start_with(address: Ipv4Addr, leaf: Option<&Leaf>) -> Self {
        let site = Site::new("cluster");
        if let Some(leaf) = leaf {
            fs::create_dir(site.path("certs")).unwrap();
            site.write("certs/apiserver.key", &leaf.key_pem);
            // As it would itself: with the authority behind.
            let chain = format!("{}{}", leaf.cert_pem, CA.issuer.pem());
            site.write("certs/apiserver.crt", &chain);
        }
        site.write(
            "tokens.csv",
            &format!("{ADMIN},admin,admin,\"system:masters\"\n"),
        );
        site.write("clients.pem", &CA.issuer.pem());
        // It refuses one authority for both.
        site.write("proxies.pem", &Ca::new().issuer.pem());
        let accounts = format!("system:serviceaccounts:{MONITORING}");
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "userGroups": [accounts]}, {"level": "None"}],
        });
        site.write("audit.json", &policy.to_string());
        let key = rcgen::KeyPair::generate().unwrap();
        site.write("accounts.key", &key.serialize_pem());
        site.write("accounts.pem", &key.public_key_pem());

        let (etcd_port, peer_port, port) = (free_port(), free_port(), site.port);
        let etcd = etcd(&site, etcd_port, peer_port);
        let api_server = api_server(&site, etcd_port, (address, port).into());
        // Nothing is verified here, for the certificate is being made; what is under test verifies.
        let mut config = kube::Config::new(format!("https://{address}:{port}").parse().unwrap());
        config.accept_invalid_certs = true;
        config.auth_info.token = Some(ADMIN.to_owned().into());
        let client = kube::Client::try_from(config).unwrap();
        let mut cluster = Self {
            etcd,
            api_server,
            etcd_port,
            address: (address, port).into(),
            site,
            client,
        };
        cluster.wait().await;
        cluster.namespace(MONITORING).await;
        cluster
    }

    /// Waits until the API server has made its first namespace, and its own roles: without them
    /// nobody else may ask which kinds there are.
    async fn wait(&mut self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for _ in 0..LOOKS {
            let ready = axum::http::Request::get("/readyz")
                .body(Vec::new())
                .unwrap();
            if self.client.request_text(ready).await.is_ok()
                && namespaces.get("default").await.is_ok()
            {
                return;
            }
            let ended = self.api_server.try_wait().unwrap();
            assert!(ended.is_none(), "the API server stopped: {}", self.log());
            sleep(LOOK_EVERY).await;
        }
        panic!("the API server does not answer: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.site.path("kube-apiserver.log")).unwrap_or_default()
    }

    /// Ends the API server without a warning.
    pub(crate) fn kill_api_server(&mut self) {
        self.api_server.kill().unwrap();
        self.api_server.wait().unwrap();
    }

    /// Starts it again on the same port, with all its data.
    pub(crate) async fn restart_api_server(&mut self) {
        self.api_server = api_server(&self.site, self.etcd_port, self.address);
        self.wait().await;
    }

    /// A kubeconfig for the administrator.
    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.kubeconfig(ADMIN)
    }

    /// How Prometheus scrapes the API server.
    pub(crate) fn scrape_config(&self) -> Value {
        json!({
            "job_name": "apiserver", "scheme": "https",
            "authorization": {"credentials": ADMIN},
            "tls_config": {"insecure_skip_verify": true},
            "static_configs": [{"targets": [self.address.to_string()]}],
        })
    }

    /// A kubeconfig for the holder of this token.
    pub(crate) fn kubeconfig(&self, token: &str) -> PathBuf {
        self.kubeconfig_at(&format!("https://{}", self.address), token)
    }

    /// As [`Self::kubeconfig`], for who finds the API server at this URL.
    pub(crate) fn kubeconfig_at(&self, url: &str, token: &str) -> PathBuf {
        self.kubeconfig_of(url, &json!({"token": token}))
    }

    /// As [`Self::kubeconfig`], for who is known by the token that is in this file.
    pub(crate) fn kubeconfig_by_file(&self, token: &str) -> PathBuf {
        self.kubeconfig_of(
            &format!("https://{}", self.address),
            &json!({"tokenFile": token}),
        )
    }

    fn kubeconfig_of(&self, url: &str, user: &Value) -> PathBuf {
        // The file holds the self-signed authority after the certificate that it signed.
        let cluster = json!({"server": url, "certificate-authority": "certs/apiserver.crt"});
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
            "current-context": "test",
        });
        self.site
            .write(
                &format!("kubeconfig-{}", free_port()),
                &kubeconfig.to_string(),
            )
            .into()
    }

    /// Where this cluster is found by the service account `account`, which is made if need be.
    pub(crate) async fn search(&self, account: &str) -> Search {
        self.search_at(account, &format!("https://{}", self.address))
            .await
    }

    /// As [`Self::search`], by way of this URL.
    pub(crate) async fn search_at(&self, account: &str, url: &str) -> Search {
        let token = self.token(account).await;
        Search::new(Some(self.kubeconfig_at(url, &token)), None, None, None)
    }

    /// A token of the service account `account`, which is made if need be.
    pub(crate) async fn token(&self, account: &str) -> String {
        self.token_while(account, None).await
    }

    /// As [`Self::token`]; it is worth nothing any more once this Secret of [`MONITORING`] is gone.
    pub(crate) async fn token_while(&self, account: &str, secret: Option<&str>) -> String {
        self.apply::<ServiceAccount>(MONITORING, json!({"metadata": {"name": account}}))
            .await;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), MONITORING);
        let bound = secret.map(|name| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: Some(name.to_owned()),
            uid: None,
        });
        let spec = TokenRequestSpec {
            bound_object_ref: bound,
            ..TokenRequestSpec::default()
        };
        let wanted = TokenRequest {
            spec: Some(spec),
            ..TokenRequest::default()
        };
        let granted = accounts
            .create_token_request(account, &PostParams::default(), &wanted)
            .await;
        granted.unwrap().status.unwrap().token.unwrap()
    }

    /// Makes a namespace.
    pub(crate) async fn namespace(&self, name: &str) {
        self.apply::<Namespace>("", json!({"metadata": {"name": name}}))
            .await;
    }

    /// Binds exactly these rules to the service account `account`.
    pub(crate) async fn grant(&self, account: &str, grant: &Grant, rules: &[PolicyRule]) {
        let role = json!({"metadata": {"name": account}, "rules": rules});
        let binding = |kind| {
            json!({
                "metadata": {"name": account},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": account},
                "subjects": [{"kind": "ServiceAccount", "namespace": MONITORING, "name": account}],
            })
        };
        match grant {
            Grant::Cluster => {
                self.apply::<ClusterRole>("", role).await;
                self.apply::<ClusterRoleBinding>("", binding("ClusterRole"))
                    .await;
            }
            Grant::Namespace(namespace) => {
                self.apply::<Role>(namespace, role).await;
                self.apply::<RoleBinding>(namespace, binding("Role")).await;
            }
        }
    }

    /// Binds every rule that the sources ask for to the service account `account`.
    pub(crate) async fn grant_all(&self, account: &str) {
        for (grant, rules) in needed(&[]) {
            self.grant(account, &grant, &rules).await;
        }
    }

    /// Makes an object, or changes it to what is given.
    pub(crate) async fn apply<K: kube::Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        object: Value,
    ) {
        let (api, name, object) = self.typed::<K>(namespace, object);
        api.patch(&name, &applying(), &Patch::Apply(object))
            .await
            .unwrap();
    }

    /// As [`Self::apply`], for the object's status.
    pub(crate) async fn apply_status<K: kube::Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        object: Value,
    ) {
        let (api, name, object) = self.typed::<K>(namespace, object);
        api.patch_status(&name, &applying(), &Patch::Apply(object))
            .await
            .unwrap();
    }

    /// What the API server has noted of requests by the service account `account`: `audit.k8s.io/v1`
    /// Events.
    pub(crate) fn requests(&self, account: &str) -> Vec<Value> {
        let user = format!("system:serviceaccount:{MONITORING}:{account}");
        let log = fs::read_to_string(self.site.path("audit.log")).unwrap();
        // The last line may be half written.
        let events = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events
            .filter(|event| event["user"]["username"] == user.as_str())
            .collect()
    }

    /// As the administrator.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// An object; `None` where there is none.
    pub(crate) async fn get<K: kube::Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Option<DynamicObject> {
        self.api::<K>(namespace).get_opt(name).await.unwrap()
    }

    /// Makes a kind that takes any fields, and waits until it is served.
    pub(crate) async fn custom_kind(&self, kind: &ApiResource) {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "metadata": {
                "name": format!("{}.{}", kind.plural, kind.group),
                // Without it, no group below k8s.io is taken.
                "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
            },
            "spec": {
                "group": kind.group,
                "scope": "Namespaced",
                "names": {
                    "kind": kind.kind, "plural": kind.plural, "singular": kind.kind.to_lowercase(),
                },
                "versions": [{
                    "name": kind.version, "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
                }],
            },
        });
        self.apply::<CustomResourceDefinition>("", definition).await;
        self.wait_for_kind(kind).await;
    }

    /// Makes the objects of these YAML documents, as kubectl would, then gives each its status, as
    /// its controller would.
    pub(crate) async fn apply_yaml(&self, text: &str) {
        for mut object in serde_saphyr::from_multiple::<Value>(text).unwrap() {
            let (api, name) = self.written(&object);
            let written = object.as_object_mut().unwrap();
            let status = written.remove("status").filter(Value::is_object);
            let patch = Patch::Apply(&object);
            api.patch(&name, &applying(), &patch).await.unwrap();
            if let Some(status) = status {
                let identity = ["apiVersion", "kind"].map(|field| object[field].clone());
                let [version, kind] = identity;
                let status = json!({
                    "apiVersion": version, "kind": kind, "metadata": {"name": name}, "status": status,
                });
                let patch = Patch::Apply(&status);
                api.patch_status(&name, &applying(), &patch).await.unwrap();
            }
        }
    }

    /// Deletes the objects of these YAML documents.
    pub(crate) async fn delete_yaml(&self, text: &str) {
        for object in serde_saphyr::from_multiple::<Value>(text).unwrap() {
            let (api, name) = self.written(&object);
            api.delete(&name, &DeleteParams::default()).await.unwrap();
        }
    }

    /// Makes the kind of this custom resource definition, as its project publishes it, and waits
    /// until it is served.
    pub(crate) async fn install(&self, definition: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.apply::<CustomResourceDefinition>("", definition.clone())
            .await;
        let spec = &definition["spec"];
        let versions = spec["versions"].as_array().unwrap();
        let served = versions.iter().find(|version| version["served"] == true);
        let (group, version) = (text(&spec["group"]), text(&served.unwrap()["name"]));
        self.wait_for_kind(&ApiResource {
            api_version: format!("{group}/{version}"),
            kind: text(&spec["names"]["kind"]),
            plural: text(&spec["names"]["plural"]),
            group,
            version,
        })
        .await;
    }

    async fn wait_for_kind(&self, kind: &ApiResource) {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), kind);
        for _ in 0..LOOKS {
            if api.list(&ListParams::default()).await.is_ok() {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
        panic!("{} is not served", kind.plural);
    }

    /// Where an object is, and its name.
    fn written(&self, object: &Value) -> (Api<DynamicObject>, String) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        // Kubernetes' own first kinds have no group.
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let kind = ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural(&kind),
            api_version: api_version.clone(),
            kind,
        };
        let namespace = text(&object["metadata"]["namespace"]);
        let client = self.client.clone();
        let api = match &*namespace {
            "" => Api::all_with(client, &kind),
            namespace => Api::namespaced_with(client, namespace, &kind),
        };
        (api, text(&object["metadata"]["name"]))
    }

    /// Deletes an object.
    pub(crate) async fn delete<K: kube::Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        name: &str,
    ) {
        self.api::<K>(namespace)
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    fn typed<K: kube::Resource<DynamicType = ()>>(
        &self,
        namespace: &str,
        mut object: Value,
    ) -> (Api<DynamicObject>, String, Value) {
        object["apiVersion"] = K::api_version(&()).into();
        object["kind"] = K::kind(&()).into();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        (self.api::<K>(namespace), name, object)
    }

    fn api<K: kube::Resource<DynamicType = ()>>(&self, namespace: &str) -> Api<DynamicObject> {
        let (client, kind) = (self.client.clone(), ApiResource::erase::<K>(&()));
        match namespace {
            "" => Api::all_with(client, &kind),
            namespace => Api::namespaced_with(client, namespace, &kind),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in [&mut self.api_server, &mut self.etcd] {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Every rule that the sources ask for where they look at these namespaces; none for all.
pub(crate) fn needed(namespaces: &[String]) -> BTreeMap<Grant, Vec<PolicyRule>> {
    rules(SOURCES.iter().flat_map(|source| source.access), namespaces)
}

/// The plural of the tests' kinds: with `es` behind an s, with `ies` for `xy`, else with an s, but for
/// what is many already.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        _ if kind.ends_with("params") => kind,
        Some(stem) if !stem.ends_with('a') => format!("{stem}ies"),
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

fn applying() -> PatchParams {
    PatchParams::apply("integration-test").force()
}

fn etcd(site: &Site, port: u16, peer_port: u16) -> Child {
    let (clients, peers) = (
        format!("http://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{peer_port}"),
    );
    let mut command = command("etcd");
    command
        .args(["--data-dir", &site.path("etcd")])
        .args([
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            &clients,
        ])
        .args([
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
        ])
        .args(["--initial-cluster", &format!("default={peers}")])
        .arg("--unsafe-no-fsync");
    spawn(site, "etcd", command)
}

fn api_server(site: &Site, etcd_port: u16, address: SocketAddr) -> Child {
    let (public, private) = (site.path("accounts.pem"), site.path("accounts.key"));
    let mut command = command("kube-apiserver");
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd_port}"))
        .arg(format!("--secure-port={}", address.port()))
        .arg(format!("--bind-address={}", address.ip()))
        .arg(format!("--cert-dir={}", site.path("certs")))
        .arg(format!("--token-auth-file={}", site.path("tokens.csv")))
        .arg(format!("--service-account-key-file={public}"))
        .arg(format!("--service-account-signing-key-file={private}"))
        .arg(format!("--client-ca-file={}", site.path("clients.pem")))
        .arg(format!(
            "--requestheader-client-ca-file={}",
            site.path("proxies.pem")
        ))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        // Loopback, so that a test can serve at a Service's cluster IP address.
        .arg("--service-cluster-ip-range=127.8.0.0/24")
        .arg("--authorization-mode=RBAC")
        .arg(format!("--audit-policy-file={}", site.path("audit.json")))
        .arg(format!("--audit-log-path={}", site.path("audit.log")))
        // No controller makes the default service accounts that this admission waits for.
        .arg("--disable-admission-plugins=ServiceAccount");
    if address.ip().is_loopback() {
        // It ends rather than publish such an address; tests write the slice themselves.
        command.arg("--endpoint-reconciler-type=none");
    } else {
        command.arg(format!("--advertise-address={}", address.ip()));
    }
    spawn(site, "kube-apiserver", command)
}

fn spawn(site: &Site, name: &str, mut command: Command) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(site.path(&format!("{name}.log")))
        .unwrap();
    command
        .current_dir(&site.dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be run: {error}"))
}
