// What has changed since the last drawing: many changes in one moment are drawn once.

export class Bell {
  #listeners = [];
  #topics = new Set();
  #waiting = false;

  // `draw(topics)` is called with the set of what has changed.
  listen(draw) {
    this.#listeners.push(draw);
  }

  ring(...topics) {
    topics.forEach((topic) => this.#topics.add(topic));
    if (this.#waiting) return;
    this.#waiting = true;
    // A hidden page gets no frames, but its title still has to count.
    if (document.hidden) setTimeout(() => this.#tell(), 100);
    else requestAnimationFrame(() => this.#tell());
  }

  #tell() {
    const topics = this.#topics;
    this.#topics = new Set();
    this.#waiting = false;
    this.#listeners.forEach((draw) => draw(topics));
  }
}
