"""Drive a diffusers pipeline of your own: here a picture is the start of another one."""

import torch
from diffusers import AutoPipelineForImage2Image
from m2m_diffusion import conditioning

import m2m_adapters as m2m

adapter = m2m.align("tiny-text", "tiny-flux", "tiny-drawable-captions", max_sentences=1500)
start = adapter.generate("ein roter Kreis", seed=1)[0]

# Any pipeline of the same model: image to image, inpainting, ControlNet, with LoRA weights or
# an IP-Adapter. Yours comes from `from_pretrained(..., text_encoder=None, tokenizer=None)`.
pipe = AutoPipelineForImage2Image.from_pipe(adapter.target.pipeline)
arguments = conditioning(pipe, adapter, "青い星", guided=False)
picture = pipe(
    **arguments,
    image=start,
    strength=0.9,
    num_inference_steps=4,
    width=start.width,
    height=start.height,
    generator=torch.Generator("cpu").manual_seed(1),
).images[0]
picture.save("star.png")
print("star.png", picture.size, sorted(arguments))
