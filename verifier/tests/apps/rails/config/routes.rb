Rails.application.routes.draw do
  get "/download/*path", to: "downloads#show", format: false
end
