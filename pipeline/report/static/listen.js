// Players of the listening section: all tracks of an example share one position, one is heard.
{
  let lead = 0.1; // s from play() to sound, as last measured
  const examples = [];
  let lastUsed = null;

  class Example {
    constructor(article) {
      this.article = article;
      this.seconds = Number(article.dataset.seconds);
      this.playing = false;
      this.used = false;
      this.buildTransport();
      this.tracks = [...article.querySelectorAll(".track")].map((row) => this.buildTrack(row));
      this.heard = this.tracks[0];
      this.clock = this.heard; // the track whose sound gives the position
      article.classList.add("ready");
      article.addEventListener("pointerenter", () => this.load(), { once: true });
      this.mark();
      this.show();
    }

    buildTransport() {
      const copy = document.getElementById("transport").content.cloneNode(true);
      this.transport = copy.querySelector(".transport");
      this.button = copy.querySelector(".play");
      this.slider = copy.querySelector(".seek");
      this.time = copy.querySelector(".time");
      this.slider.max = this.seconds;
      this.button.addEventListener("click", () => this.toggle());
      this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
      this.article.querySelector("h4").before(copy);
    }

    buildTrack(row) {
      const name = row.querySelector(".name");
      const button = make("button", { type: "button", className: "name" }, ...name.childNodes);
      name.replaceWith(button);
      // A click on the track that is heard plays or pauses it, as the space bar then does too.
      button.addEventListener("click", () => {
        if (this.playing && this.heard === track) this.pause();
        else this.play(track);
      });

      const tile = row.querySelector(".tile");
      tile.append(make("span", { className: "playhead" }));
      tile.addEventListener("click", (event) => {
        const box = tile.getBoundingClientRect();
        this.seek(((event.clientX - box.left) / box.width) * this.seconds);
        if (this.playing) this.hear(track);
        else this.play(track);
      });

      const audio = row.querySelector("audio");
      audio.controls = false;
      audio.hidden = true;
      audio.addEventListener("error", () => row.classList.add("missing"));
      // At the end, and by the keys of a keyboard or a headset.
      audio.addEventListener("pause", () => {
        if (this.heard === track && this.playing && audio.paused) this.pause();
      });
      audio.addEventListener("play", () => {
        if (this.heard === track && !this.playing && !audio.paused) this.play();
      });
      const track = { row, button, audio };
      return track;
    }

    get position() {
      return this.clock.audio.currentTime;
    }

    // Nothing is fetched before an example is used; then all of it, so that switching is prompt.
    load() {
      for (const { audio } of this.tracks) audio.preload = "auto";
    }

    play(track = this.heard) {
      this.use();
      silence(this);
      if (this.clock.audio.ended) this.seek(0);
      this.playing = true;
      this.hear(track);
      this.follow();
    }

    pause() {
      this.playing = false;
      for (const { audio } of this.tracks) audio.pause();
      this.show();
    }

    toggle() {
      if (this.playing) this.pause();
      else this.play();
    }

    // Switches to a track at the present position. The one before goes on until the next one
    // sounds, which is started a little ahead, since a browser takes a moment: no gap and no jump.
    async hear(track) {
      const running = !this.clock.audio.paused;
      this.heard = track;
      this.use();
      this.mark();
      if (track !== this.clock && running) await this.join(track);
      else if (track !== this.clock) track.audio.currentTime = this.position;
      if (this.heard !== track) return; // another one was picked meanwhile
      this.clock = track;
      for (const { audio } of this.tracks) if (audio !== track.audio) audio.pause();
      if (this.playing) await track.audio.play().catch((error) => this.refused(error));
      this.show();
    }

    // A play() that was overtaken by a pause() is no failure; a missing file is.
    refused(error) {
      if (error.name !== "AbortError") this.pause();
    }

    // Starts a track in step with the one that sounds.
    async join(track) {
      const { audio } = track;
      while (audio.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !audio.error) await moment();
      if (this.heard !== track || !this.playing) return;
      const at = Math.min(this.position + lead, this.seconds - 0.01);
      audio.currentTime = at;
      audio.play().catch(() => {});
      while (audio.currentTime < at + 0.005 && !audio.paused && !audio.error) await moment();
      const late = this.position - audio.currentTime;
      if (!audio.paused) lead = Math.min(Math.max(lead + late / 2, 0), 0.3);
    }

    seek(seconds) {
      this.use();
      this.clock.audio.currentTime = Math.min(Math.max(seconds, 0), this.seconds);
      this.show();
    }

    // Some browsers load nothing but by such a call, and that only while a click is handled.
    use() {
      lastUsed = this;
      this.load();
      if (this.used) return;
      this.used = true;
      for (const { audio } of this.tracks) if (audio.readyState === HTMLMediaElement.HAVE_NOTHING) audio.load();
    }

    mark() {
      for (const { row, button } of this.tracks) {
        const heard = row === this.heard.row;
        row.classList.toggle("heard", heard);
        button.setAttribute("aria-pressed", String(heard));
      }
    }

    follow() {
      this.show();
      cancelAnimationFrame(this.frame);
      if (this.playing) this.frame = requestAnimationFrame(() => this.follow());
    }

    show() {
      const at = Math.min(this.position, this.seconds);
      this.article.style.setProperty("--at", at / this.seconds);
      this.slider.value = at;
      this.time.textContent = `${at.toFixed(1)} / ${this.seconds.toFixed(1)} s`;
      this.transport.classList.toggle("playing", this.playing);
      this.button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    }

    inView() {
      const { top, bottom } = this.article.getBoundingClientRect();
      return top < innerHeight && bottom > 0;
    }
  }

  const moment = () => new Promise((resolve) => setTimeout(resolve, 4));

  // Stops all that sounds on the page but one of our players, or one of the browser's.
  const silence = (except) => {
    for (const other of examples) if (other !== except && other.playing) other.pause();
    for (const audio of document.querySelectorAll("audio[controls]")) if (audio !== except) audio.pause();
  };

  const onKey = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    const { target, key } = event;
    const around = target.closest(".example");
    const example = examples.find(({ article }) => article === around) ?? lastUsed;
    // Keys belong to whatever has the focus, unless that is a player of ours or nothing.
    if (!example || (target !== document.body && !around)) return;
    if (!around && !example.playing && !example.inView()) return;
    if (key === " ") {
      if (target.tagName === "BUTTON") return; // presses the button
      if (!event.repeat) example.toggle();
    } else if (key === "ArrowLeft" || key === "ArrowRight") {
      example.seek(example.position + (key === "ArrowLeft" ? -1 : 1));
    } else if (/^\d$/.test(key)) {
      const track = example.tracks[key === "0" ? 9 : Number(key) - 1];
      if (!track) return;
      if (target.matches(".name")) track.button.focus(); // so that the space bar presses this one
      example.hear(track);
    } else {
      return;
    }
    event.preventDefault();
  };

  for (const article of document.querySelectorAll(".example")) examples.push(new Example(article));
  for (const note of document.querySelectorAll(".hint")) note.hidden = false;
  document.addEventListener("keydown", onKey);
  document.addEventListener("play", ({ target }) => target.controls && silence(target), true);
}
