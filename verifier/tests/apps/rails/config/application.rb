require "action_controller/railtie"
module Shop
  class Application < Rails::Application
    config.load_defaults 6.1
    config.secret_key_base = "only for this example"
    config.logger = Logger.new($stdout)
  end
end
