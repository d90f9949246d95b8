// Players of the listening section: all tracks of an example share one position, and one is audible.
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
      this.current = this.tracks[0];
      this.clock = this.current; // the track whose sound gives the position
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
      // A click on the current track plays or pauses it; the space bar then does the same.
      button.addEventListener("click", () => {
        if (this.playing && this.current === track) this.pause();
        else this.play(track);
      });

      const tile = row.querySelector(".tile");
      tile.append(make("span", { className: "playhead" }));
      tile.addEventListener("click", (event) => {
        const box = tile.getBoundingClientRect();
        this.seek(((event.clientX - box.left) / box.width) * this.seconds);
        if (this.playing) this.switchTo(track);
        else this.play(track);
      });

      const audio = row.querySelector("audio");
      audio.controls = false;
      audio.hidden = true;
      audio.addEventListener("error", () => row.classList.add("missing"));
      // These events come at the end of a track, and from media keys of a keyboard or a headset.
      audio.addEventListener("pause", () => {
        if (this.current === track && this.playing && audio.paused) this.pause();
      });
      audio.addEventListener("play", () => {
        if (this.current === track && !this.playing && !audio.paused) this.play();
      });
      const track = { row, button, audio };
      return track;
    }

    get position() {
      return this.clock.audio.currentTime;
    }

    // No track is fetched before its example is used; then all are, so that switching is fast.
    load() {
      for (const { audio } of this.tracks) audio.preload = "auto";
    }

    play(track = this.current) {
      this.use();
      silence(this);
      if (this.clock.audio.ended) this.seek(0);
      this.playing = true;
      this.switchTo(track);
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

    // Switches to a track at the present position, without a gap or a jump. The previous track
    // plays until the next one sounds, which starts a little ahead, since a browser has a delay.
    async switchTo(track) {
      const running = !this.clock.audio.paused;
      this.current = track;
      this.use();
      this.mark();
      if (track !== this.clock && running) await this.join(track);
      else if (track !== this.clock) track.audio.currentTime = this.position;
      if (this.current !== track) return; // another one was picked meanwhile
      this.clock = track;
      for (const { audio } of this.tracks) if (audio !== track.audio) audio.pause();
      if (this.playing) await track.audio.play().catch((error) => this.refused(error));
      this.show();
    }

    // A play() that is interrupted by a pause() is not an error; a missing file is.
    refused(error) {
      if (error.name !== "AbortError") this.pause();
    }

    // Starts a track in synchrony with the audible one.
    async join(track) {
      const { audio } = track;
      while (audio.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !audio.error) await moment();
      if (this.current !== track || !this.playing) return;
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

    // Some browsers load audio only by such a call, and only while they handle a click.
    use() {
      lastUsed = this;
      this.load();
      if (this.used) return;
      this.used = true;
      for (const { audio } of this.tracks) if (audio.readyState === HTMLMediaElement.HAVE_NOTHING) audio.load();
    }

    mark() {
      for (const { row, button } of this.tracks) {
        const current = row === this.current.row;
        row.classList.toggle("current", current);
        button.setAttribute("aria-pressed", String(current));
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

  // Stops all sounds on the page except those of one of our players, or of one of the browser's.
  const silence = (except) => {
    for (const other of examples) if (other !== except && other.playing) other.pause();
    for (const audio of document.querySelectorAll("audio[controls]")) if (audio !== except) audio.pause();
  };

  const onKey = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    const { target, key } = event;
    const around = target.closest(".example");
    const example = examples.find(({ article }) => article === around) ?? lastUsed;
    // Keys are left to the element with the focus, unless it is one of our players or no element.
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
      example.switchTo(track);
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
