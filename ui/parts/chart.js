// Lines and stacks over time, as SVG: samples come in, a picture with its words goes out.
import { html, useEffect, useRef, useState } from "../vendor/index.js";
import { clock } from "./time.js";

/** @typedef {{ name: string, tone: string, values: (number | null)[], line?: boolean }} Series */

/** The width of an element, as it changes. @param {{ current: HTMLElement | null }} box */
export function useWidth(box) {
  const [width, setWidth] = useState(600);
  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([seen]) => setWidth(Math.max(120, seen.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return width;
}

/** The next round number. @param {number} value */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 2.5, 5, 10].find((step) => value <= step * power) ?? 10);
}

const HEIGHT = 132;

/**
 * Bars that stand on each other, or lines.
 * @param {{ label: string, times: number[], series: Series[], show: (value: number) => string }} props
 */
export function Chart({ label, times, series, show }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const width = useWidth(box);
  const [at, point] = useState(/** @type {number | null} */ (null));
  const stacked = series.every((one) => !one.line);
  const totals = times.map((_, place) => {
    const values = series.map((one) => one.values[place] ?? 0);
    return stacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values);
  });
  const top = ceiling(Math.max(0, ...totals));
  const [left, bottom] = [44, HEIGHT - 20];
  const step = (width - left) / Math.max(times.length, 1);
  const y = (value) => bottom - (value / top) * (bottom - 8);
  const shapes = stacked ? bars() : lines();

  function bars() {
    const floor = times.map(() => 0);
    return series.map((one) => {
      const path = one.values.map((value, place) => {
        if (!value) return "";
        const from = y(floor[place]);
        floor[place] += value;
        return `M${(left + place * step).toFixed(1)} ${from.toFixed(1)}V${y(floor[place]).toFixed(1)}h${Math.max(step - (step > 4 ? 1 : 0), .8).toFixed(1)}V${from.toFixed(1)}z`;
      });
      return html`<path class=${`f-${one.tone}`} d=${path.join("")} />`;
    });
  }
  function lines() {
    return series.map((one) => {
      let pen = false;
      const path = one.values.map((value, place) => {
        if (value === null) {
          pen = false;
          return "";
        }
        const command = pen ? "L" : "M";
        pen = true;
        // A lone point is a line too.
        return `${command}${(left + (place + .5) * step).toFixed(1)} ${y(value).toFixed(1)}h.01`;
      });
      return html`<path d=${path.join("")} fill="none" stroke=${`var(--${one.tone}-fill)`} stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />`;
    });
  }
  const move = (event) => {
    const place = Math.floor((event.offsetX - left) / step);
    point(place >= 0 && place < times.length ? place : null);
  };
  const told = at === null ? times.length - 1 : at;
  return html`<figure>
    <div ref=${box}><svg class="chart" viewBox=${`0 0 ${width} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${label} onPointerMove=${move} onPointerLeave=${() => point(null)}>
      ${[0, .5, 1].map((share) => html`<line class="grid" x1=${left} x2=${width} y1=${y(top * share)} y2=${y(top * share)} />
        <text x=${left - 6} y=${y(top * share) + 4} text-anchor="end">${show(top * share)}</text>`)}
      ${shapes}
      ${at !== null && html`<line x1=${left + (at + .5) * step} x2=${left + (at + .5) * step} y1="4" y2=${bottom} stroke="var(--line-strong)" />`}
      ${times.length > 1 && [0, .5, 1].map((share) => html`<text x=${left + share * (width - left)} y=${HEIGHT - 4}
        text-anchor=${share === 0 ? "start" : share === 1 ? "end" : "middle"}>${clock(times[Math.round(share * (times.length - 1))]).slice(0, 8)}</text>`)}
    </svg></div>
    <figcaption class="legend"><span class="faint">${times.length ? clock(times[told]).slice(0, 8) : ""}</span>${series.map((one) => html`<span><i class=${`dot f-${one.tone}`} />${one.name} <b>${one.values[told] == null ? "–" : show(/** @type {number} */ (one.values[told]))}</b></span>`)}</figcaption>
  </figure>`;
}
