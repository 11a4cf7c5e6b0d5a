"""whoami, config and completions: the CLI's own settings, and whom it talks to."""
from check import check


@check("whoami: knows the server as healthy")
def whoami(w):
    w.cli("whoami").ok.says(
        f"Admin base URL {w.admin.base}/", f"Ingress base URL {w.ingress.base}/",
        f"[OK]: Admin Service '{w.admin.base}/' is healthy!",
        f"Advertised ingress address {w.ingress.base}/" if w.ours else "Advertised ingress address")


@check("whoami: says when no server is there")
def whoami_alone(w):
    answer = w.cli("whoami", RESTATE_ADMIN_URL="http://127.0.0.1:1")
    assert "is healthy" not in answer.out, answer
    answer.warns("127.0.0.1:1")


@check("config: environments are listed, chosen, viewed and edited")
def config(w):
    other = '[global]\n[local]\n[other]\nadmin_base_url = "http://other.example:9070/"\n'
    (w.cli.config / "config.toml").write_text("[local]\n")
    saw, answer = w.cli.edited(other, "config", "edit")
    answer.ok
    assert saw == "[local]\n", saw
    w.cli("config", "view").ok.says('admin_base_url = "http://other.example:9070/"')
    w.cli("config", "list-environments").ok.says("other http://other.example:9070/")
    w.cli("config", "use-environment", "other").ok.says("[OK]: Updated")
    assert (w.cli.config / "environment").read_text().strip() == "other"
    w.cli("config", "list-environments").ok.says("* other http://other.example:9070/")
    w.cli("config", "use-environment", "local").ok


@check("completions: are generated for each shell, and installed")
def completions(w):
    for shell, word in (("bash", "_restate"), ("zsh", "#compdef restate"), ("fish", "complete -c restate"),
                        ("elvish", "edit:completion"), ("powershell", "Register-ArgumentCompleter")):
        assert word in w.cli("completions", "generate", shell).ok.out, shell
    w.cli("completions", "install", "bash").ok.says("[OK]: bash completions installed to:")
    written = w.cli.home / ".local/share/bash-completion/completions/restate"
    assert "_restate" in written.read_text()
