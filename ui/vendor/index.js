// What the pages take of the libraries.
import { Fragment, h, render } from "./preact.js";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "./hooks.js";
import htm from "./htm.js";
import { batch, computed, effect, signal, useComputed, useSignal } from "./signals.js";

/** Makes elements of a template. */
const html = htm.bind(h);

export {
  Fragment, batch, computed, effect, html, render, signal, useComputed, useEffect,
  useLayoutEffect, useMemo, useRef, useSignal, useState,
};
