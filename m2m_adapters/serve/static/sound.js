// Sounds: their peaks as a drawing, and one player for all of them.

import { address, ask } from "./api.js";
import { iconButton, icon, svg } from "./dom.js";

const HEIGHT = 40;
const player = new Audio();
player.preload = "none";
let playing = null; // the Wave that the player belongs to

export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

/** Bytes, a list, or an object that holds a list: 0 to 255, one for each step of the sound. */
async function peaksOf(hit) {
  const answer = await ask(`${hit.url}/peaks`);
  const peaks = Array.isArray(answer) ? answer : answer.peaks;
  return Array.isArray(peaks) ? peaks : [];
}

/** A mirrored outline of the peaks. */
function outline(peaks) {
  const half = HEIGHT / 2;
  const loudest = Math.max(32, ...peaks);
  const tall = peaks.map((peak) => Math.max(0.6, (half - 1) * Math.sqrt(peak / loudest)));
  const over = tall.map((y, x) => `${x} ${(half - y).toFixed(1)}`);
  const under = tall.map((y, x) => `${x} ${(half + y).toFixed(1)}`).reverse();
  return `M${over.join("L")}L${under.join("L")}Z`;
}

const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    target.wave.draw();
  }
}, { rootMargin: "400px" });

/** The drawing of one sound and the button that plays it from the second that was found. */
export class Wave {
  constructor(hit) {
    this.hit = hit;
    this.picture = svg("svg", { class: "wave", preserveAspectRatio: "none", "aria-hidden": "true",
      viewBox: `0 0 100 ${HEIGHT}` });
    this.picture.wave = this;
    this.picture.addEventListener("click", (event) => this.playFromClick(event));
    this.button = iconButton("play", this.label("Play"), () => this.toggle(), "play main");
    near.observe(this.picture);
  }

  label(verb) {
    const from = this.hit.second ? `, from ${clock(this.hit.second)}` : "";
    return `${verb} ${nameOf(this.hit)}${from}`;
  }

  async draw() {
    let peaks;
    try {
      peaks = await peaksOf(this.hit);
    } catch {
      return; // without a drawing the sound can still be played
    }
    if (!peaks.length) return;
    this.width = peaks.length;
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    const path = outline(peaks);
    const id = `played-${(this.id = nextId++)}`;
    this.clip = svg("rect", { x: 0, y: 0, width: 0, height: HEIGHT });
    this.picture.replaceChildren(
      svg("clipPath", { id }, this.clip),
      svg("path", { d: path, class: "peaks" }),
      svg("path", { d: path, class: "played", "clip-path": `url(#${id})` }),
    );
    if (this.hit.second && this.hit.seconds) {
      const x = (this.width * this.hit.second) / this.hit.seconds;
      this.picture.append(svg("line", { class: "found", x1: x, x2: x, y1: 0, y2: HEIGHT }));
    }
  }

  playFromClick(event) {
    const { left, width } = this.picture.getBoundingClientRect();
    const length = this.hit.seconds || player.duration || 0;
    this.play(((event.clientX - left) / width) * length);
  }

  toggle() {
    if (playing === this && !player.paused) player.pause();
    else if (playing === this && player.currentTime > 0 && !player.ended) player.play();
    else this.play(this.hit.second ?? 0);
  }

  async play(second) {
    if (playing !== this) {
      playing?.show(false);
      playing = this;
      player.src = address(this.hit.url);
    }
    player.currentTime = second;
    try {
      await player.play();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.show(false);
      this.button.closest(".hit")?.classList.add("broken");
      this.button.title = "This sound cannot be played: the file is gone, or of a kind the browser does not read";
    }
  }

  show(on) {
    this.button.replaceChildren(icon(on ? "pause" : "play"));
    this.button.ariaLabel = this.label(on ? "Pause" : "Play");
    this.button.title = this.button.ariaLabel;
    if (!on && this.clip && player.ended) this.clip.setAttribute("width", 0);
  }

  move() {
    const length = this.hit.seconds || player.duration;
    if (this.clip && length) this.clip.setAttribute("width", (this.width * player.currentTime) / length);
  }
}

let nextId = 0;

function frame() {
  if (!playing || player.paused) return;
  playing.move();
  requestAnimationFrame(frame);
}

player.addEventListener("playing", () => (playing?.show(true), frame()));
for (const end of ["pause", "ended"]) player.addEventListener(end, () => playing?.show(false));

export const silence = () => player.pause();
export const nameOf = (hit) => hit.path.split(/[\\/]/).pop() || hit.path;
