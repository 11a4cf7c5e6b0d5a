// The web UI: the frame around all pages, and which page is shown.
//
//   address (#…) ──▶ route ──▶ a view ──▶ parts/api.js ──▶ the admin API of the server it came from
//
// `views` has a file for each page, `parts` what several pages use, `vendor` the libraries. There is
// no build step: what is here is what the browser runs.
import { html, render, useEffect, useSignal } from "./vendor/index.js";
import { reachable, sign, token, version, wanted } from "./parts/api.js";
import { Icon } from "./parts/icons.js";
import { keys } from "./parts/keys.js";
import { useLoad } from "./parts/load.js";
import { opened, PAGES, Palette } from "./parts/palette.js";
import { go, route } from "./parts/route.js";
import { Dialog, Messages, Questions } from "./parts/say.js";
import { zone } from "./parts/time.js";
import { Deployment, Deployments } from "./views/deployments.js";
import { Invocation } from "./views/invocation.js";
import { Invocations } from "./views/invocations.js";
import { Overview } from "./views/overview.js";
import { Service, Services } from "./views/services.js";
import { Sql } from "./views/sql.js";
import { State } from "./views/state.js";

/** @type {[string, string][]} */
const HELP = [
  ["Ctrl K", "Go to anything"], ["/", "Filter"], ["j k", "Down, up the list"], ["Enter", "Open what is chosen"], ["x", "Pick what is chosen"],
  ["c", "Cancel the invocation that is open"], ["r", "Resume or restart it"], ["g o", "Overview"], ["g i", "Invocations"], ["g s", "Services"], ["g d", "Deployments"], ["g t", "State"], ["g q", "SQL"], ["?", "These keys"],
];

function Page() {
  const [page = "", one, two] = route.value.path;
  switch (page) {
    case "": return html`<${Overview} />`;
    case "invocations": return one ? html`<${Invocation} key=${one} id=${one} />` : html`<${Invocations} />`;
    case "services": return one ? html`<${Service} key=${one} name=${one} handler=${two} />` : html`<${Services} />`;
    case "deployments": return one ? html`<${Deployment} key=${one} id=${one} />` : html`<${Deployments} />`;
    case "state": return html`<${State} service=${one} of=${two} />`;
    case "sql": return html`<${Sql} />`;
    default: return html`<div class="card empty"><h1>There is no such page</h1><p>The address leads nowhere: #/${route.value.text}</p>
      <a class="button" href="#/">Overview</a></div>`;
  }
}

const SignIn = () => html`<form class="card pad stack" onSubmit=${(event) => { event.preventDefault(); sign(event.target.token.value.trim()); }}>
  <h1>Sign in</h1><p role="alert">${wanted.value}</p>
  <label class="field"><span>Token <em>(kept by this tab)</em></span><input type="password" name="token" required autocomplete="off" /></label>
  <div><button class="button main">Sign in</button></div></form>`;

function App() {
  const helps = useSignal(false);
  const told = useLoad(() => version(), []);
  const [page = "", one] = route.value.path;
  const current = PAGES.find((place) => place.where === (page ? `#/${page}` : "#/"));
  useEffect(() => {
    document.title = [one, current?.text, "Latchwork"].filter(Boolean).join(" · ");
    scrollTo(0, 0);
  }, [route.value.path.join("/")]);
  useEffect(() => {
    const away = keys({
      "?": () => (helps.value = true),
      ...Object.fromEntries(PAGES.map((place) => [place.means, () => go(place.where)])),
    });
    const palette = (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        opened.value = !opened.value;
      }
    };
    addEventListener("keydown", palette);
    return () => {
      away();
      removeEventListener("keydown", palette);
    };
  }, []);
  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>To the content</a>
  <div class="frame">
    <div class="side"><a class="brand" href="#/"><img src="icon.svg" alt="" width="22" height="22" />Latchwork</a>
      <button class="finder" onClick=${() => (opened.value = true)}><${Icon} name="search" /><span class="grow">Go to…</span><kbd>Ctrl K</kbd></button>
      <nav aria-label="Pages"><ul class="nav">${PAGES.map((place) => html`<li><a href=${place.where} aria-current=${place === current ? "page" : undefined}><${Icon} name=${place.icon} />
        <span>${place.text}</span></a></li>`)}</ul></nav>
      <div class="foot"><button class="button plain" style=${{ justifySelf: "start", marginLeft: "-7px" }} onClick=${() => (helps.value = true)}><${Icon} name="help" />Keys <kbd>?</kbd></button>${token() && html`<button class="button plain" onClick=${() => sign()}>Sign out</button>`}
        <span title="All times are those of this browser">Times in ${zone}</span>${told.value && html`<span>${told.value.version.replace(/^.*latchwork\./, "latchwork ")}</span>`}</div></div>
    <main id="main" tabindex="-1" style=${{ outline: 0 }}>
      ${!reachable.value && html`<div class="note bad" role="alert" style=${{ marginBottom: "14px" }}><${Icon} name="alert" />The server does not answer. What is shown may be old; this page tries again by itself.</div>`}
      ${wanted.value ? html`<${SignIn} />` : html`<${Page} />`}<p class="faint small thin" style=${{ marginTop: "18px" }}>Times in ${zone}</p></main>
  </div>
  ${opened.value && html`<${Palette} />`}
  ${helps.value && html`<${Dialog} title="Keys" close=${() => (helps.value = false)}><dl class="facts">${HELP.map(([key, means]) => html`<dt>${key.split(" ").map((one) => html`<kbd>${one}</kbd> `)}</dt>
    <dd>${means}</dd>`)}</dl></${Dialog}>`}
  <${Questions} /><${Messages} />`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
