// Signs: 16 by 16, one line width.
import { html } from "../vendor/index.js";

/** @type {Record<string, string>} */
const PATHS = {
  overview: "M2.5 13.500v-5h3v5zM6.500 13.500v-11h3v11zM10.500 13.500v-8h3v8z",
  invocations: "M2.500 4h11M2.500 8h11M2.500 12h7",
  services: "M8 2l5.500 3v6L8 14l-5.500-3V5zM2.800 5.200L8 8l5.200-2.800M8 8v6",
  deployments: "M3 3.500h10v4H3zM3 8.500h10v4H3zM5.500 5.500h.01M5.500 10.500h.01",
  state: "M8 6c3 0 5-.9 5-2s-2-2-5-2-5 .9-5 2 2 2 5 2zM3 4v8c0 1.100 2 2 5 2s5-.9 5-2V4M3 8c0 1.100 2 2 5 2s5-.9 5-2",
  sql: "M2.500 3.500h11v9h-11zM5 7l2 1.500L5 10M8.500 10.500h2.500",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.700 10.700L14 14",
  copy: "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3",
  download: "M8 2.500v8M5 7.500l3 3 3-3M2.500 13.500h11",
  check: "M3 8.500l3.500 3.500L13 4.500",
  cross: "M4 4l8 8M12 4l-8 8",
  play: "M5 3l8 5-8 5z",
  pause: "M5 3.500v9M11 3.500v9",
  moon: "M13 9.500A5.500 5.500 0 1 1 6.500 3a4.500 4.500 0 0 0 6.500 6.500z",
  retry: "M13 8a5 5 0 1 1-1.500-3.500L13 6M13 2.500V6H9.500",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.500V8l2.500 1.500",
  queue: "M3 8h.01M8 8h.01M13 8h.01",
  ring: "M8 13A5 5 0 1 0 8 3a5 5 0 0 0 0 10z",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.500V11M8 5h.01",
  alert: "M8 2.500l6 11H2zM8 6.500v3M8 11.500h.01",
  call: "M3 8h9M9 4.500L12.500 8 9 11.500",
  send: "M2.500 8h6M6.500 5l3 3-3 3M12.500 3v10",
  run: "M9 2L3.500 9H8l-1 5 5.500-7H8z",
  promise: "M8 2.500l1.600 3.700 4 .3-3 2.600 1 3.900L8 10.900 4.400 13l1-3.900-3-2.600 4-.3z",
  signal: "M8 9.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3zM4.500 11.500a5 5 0 0 1 0-7M11.500 4.500a5 5 0 0 1 0 7",
  input: "M2.500 8h7M6.500 5l3 3-3 3M9 2.500h4.500v11H9",
  output: "M6 8h7.500M10.500 5l3 3-3 3M7 2.500H2.500v11H7",
  chevron: "M6 3.500L10.500 8 6 12.500",
  plus: "M8 3v10M3 8h10",
  trash: "M3 4.500h10M6 4.500v-2h4v2M4.500 4.500l.5 9h6l.5-9",
  pen: "M3 13l.5-3L11 2.500 13.500 5 6 12.500z",
  help: "M6 6a2 2 0 1 1 2.800 1.800c-.6.3-.8.700-.8 1.400M8 11.500h.01M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z",
};

/** @param {{ name: string }} props */
export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" fill="none" stroke="currentColor"
  stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
