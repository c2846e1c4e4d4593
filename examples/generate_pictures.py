"""Paint from prompts in several languages; a run that was stopped goes on where it was."""

import m2m_adapters as m2m

adapter = m2m.align("tiny-text", "tiny-flux", "tiny-drawable-captions", max_sentences=1500)
prompts = ["ein roter Kreis über einem blauen Quadrat", "青い星"]
for picture in m2m.generate_files(adapter, prompts, "pictures"):
    print(picture.path, "new" if picture.new else "was there")
