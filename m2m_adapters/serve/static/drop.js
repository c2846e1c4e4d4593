// Pictures and sounds from outside: dropped, pasted or chosen. They become data: addresses.

import { $ } from "./dom.js";

const LONGEST_SIDE = 1024; // of a picture that is sent: models look at far fewer pixels
const LARGEST_SOUND = 12e6; // bytes

/** found({kind, value, label}) receives what was brought; refused(words) why it cannot be used. */
export function setUp(found, refused) {
  const bring = async (files) => {
    const file = [...files].find(({ type }) => /^(image|audio)\//.test(type));
    if (!file) return refused("That is neither a picture nor a sound.");
    try {
      found(await read(file));
    } catch (error) {
      refused(error.message);
    }
  };
  let depth = 0; // dragenter and dragleave come for every element on the way
  const over = (event) => event.dataTransfer?.types.includes("Files");
  const shade = (on) => ($("drop").hidden = !on);
  addEventListener("dragenter", (event) => over(event) && ++depth && shade(true));
  addEventListener("dragleave", (event) => over(event) && --depth <= 0 && shade(((depth = 0), false)));
  addEventListener("dragover", (event) => over(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    depth = 0;
    shade(false);
    if (!over(event)) return;
    event.preventDefault();
    bring(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    bring(event.clipboardData.files);
  });
  $("picture").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    bring($("file").files);
    $("file").value = "";
  });
}

async function read(file) {
  const label = file.name || "a picture";
  if (file.type.startsWith("audio/")) {
    if (file.size > LARGEST_SOUND) throw new Error("This sound is too large: send up to 12 MB.");
    return { kind: "sound", value: await dataAddress(file), label };
  }
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error("The browser cannot read this picture. Save it as JPEG or PNG.");
  }
  return { kind: "image", value: smaller(picture), label };
}

/** As PNG where it is small, else as JPEG; where it was taken and other notes in it stay here. */
function smaller(picture) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // behind what is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return canvas.width * canvas.height <= 65_536 ? canvas.toDataURL("image/png") : canvas.toDataURL("image/jpeg", 0.9);
}

function dataAddress(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(new Error("The sound cannot be read."));
    reader.readAsDataURL(file);
  });
}
