// A spoken query: recorded while the microphone is pressed, sent as a WAV file in a data: address.

import { $ } from "./dom.js";

const LONGEST = 30; // seconds; then the recording ends by itself
const SHORTEST = 0.2; // seconds; less was a slip of the finger

/** Browsers offer the microphone to pages of this machine and over https only. */
export const works = () => Boolean(navigator.mediaDevices?.getUserMedia && window.AudioWorkletNode);

let recording = null; // while one is under way: what ends it
let starting = false;

/** recorded({kind, value, label}) receives a query; refused(words) why there is none. */
export function setUp(recorded, refused) {
  const end = () => {
    const wav = recording?.();
    recording = null;
    show(false);
    if (wav) recorded({ kind: "speech", value: wav, label: "spoken words" });
    else if (wav === null) refused("That was too short: press, speak, and press again.");
  };
  $("microphone").addEventListener("click", async () => {
    if (recording) return end();
    if (starting) return;
    starting = true;
    try {
      recording = await start(end);
      show(true);
      if ($("microphone").hidden) cancel(); // another adapter was chosen meanwhile
    } catch (error) {
      refused(error.name === "NotAllowedError" ? "The browser does not allow this page the microphone."
        : "The microphone cannot be used.");
    } finally {
      starting = false;
    }
  });
  addEventListener("pagehide", cancel);
}

/** End a recording and send nothing. */
export function cancel() {
  if (!recording) return;
  recording();
  recording = null;
  show(false);
}

function show(on) {
  const button = $("microphone");
  button.ariaPressed = String(on);
  $("query").placeholder = on ? "Listening" : "Search in any language";
  $("live").textContent = on ? "Recording. Press again to search." : "";
}

/** Start to record; the function that ends it and returns the data: address, or null. */
async function start(full) {
  // Encoders of speech are made for recordings as they are.
  const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const close = () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
  };
  const blocks = [];
  let length = 0;
  try {
    await context.audioWorklet.addModule("static/recorder.js");
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    recorder.port.onmessage = ({ data }) => {
      if (length >= LONGEST * context.sampleRate) return;
      blocks.push(data);
      length += data.length;
      if (length >= LONGEST * context.sampleRate) full();
    };
    context.createMediaStreamSource(stream).connect(recorder);
  } catch (error) {
    close();
    throw error;
  }
  return () => {
    close();
    return length < SHORTEST * context.sampleRate ? null : wav(blocks, length, context.sampleRate);
  };
}

/** A WAV file of 16-bit samples, one channel, as a data: address. */
function wav(blocks, length, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (at, letters) => [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a frame
  view.setUint16(34, 16, true); // bits a sample
  text(36, "data");
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  }
  const bytes = new Uint8Array(view.buffer);
  let binary = "";
  for (let from = 0; from < bytes.length; from += 32768) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 32768));
  }
  return `data:audio/wav;base64,${btoa(binary)}`;
}
